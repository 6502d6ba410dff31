"""A Triton that other machines may reach; arguments: repository, folder, gRPC port, metrics port, address."""

import asyncio
import signal
import sys
from pathlib import Path

from gateway.triton.embedded import EmbeddedTriton


class OpenTriton(EmbeddedTriton):
    """The wheel's Triton on an address of its own."""

    address = "127.0.0.1"

    def _arguments(self, backends: Path) -> list[str]:
        ours = super()._arguments(backends)
        return [
            f"--grpc-address={self.address}" if each.startswith("--grpc-address") else each for each in ours
        ]


async def main(repository: str, folder: str, grpc_port: str, metrics_port: str, address: str) -> None:
    """Serve until told to stop."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    server = OpenTriton(
        model_repository=Path(repository),
        state_dir=Path(folder),
        grpc_port=int(grpc_port),
        metrics_port=int(metrics_port),
    )
    server.address = address
    await server.start()
    try:
        await stopped.wait()
    finally:
        await server.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
