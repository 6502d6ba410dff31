"""Tritons that are nodes of their own: trees of processes that can be killed."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tests.integration.processes import tree, wait_until

ROOT = Path(__file__).parents[2]
GRPC_PORT, METRICS_PORT, POSTGRES_PORT = 8001, 8002, 5432
START_SECONDS = 240.0


class TritonNode:
    """A Triton over some models.

    Parameters
    ----------
    repository
        Folder of models.
    address
        Where it listens; every address unless given.
    """

    def __init__(
        self,
        folder: Path,
        repository: Path,
        *,
        grpc_port: int = GRPC_PORT,
        metrics_port: int = METRICS_PORT,
        address: str = "0.0.0.0",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.repository = repository
        self.ports = (grpc_port, metrics_port)
        self._address = address
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = [str(self.repository), str(self._folder / "state"), *map(str, self.ports), self._address]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.triton_node", *arguments],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_ready(self) -> float:
        """Wait for its models; call this where its loopback is ours."""
        with grpc.insecure_channel(f"127.0.0.1:{self.ports[0]}") as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

            def ready() -> bool:
                assert self._process is not None
                assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
                with contextlib.suppress(grpc.RpcError):
                    return bool(stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=5).ready)
                return False

            return wait_until(ready, START_SECONDS, "Triton is ready", every=0.2)

    def kill(self) -> None:
        """End it and its stubs, at once."""
        assert self._process is not None
        for each in tree(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                each.kill()
        self._process.wait(10)

    def stop(self) -> None:
        """Let its requests end, then end it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
