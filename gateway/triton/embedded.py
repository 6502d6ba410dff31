"""The embedded Triton: the server out of the `nvidia-pytriton` wheel, started, watched and swept up after.

The wheel's server is Triton 24.10. It is started as its own process rather than through PyTriton's
`Triton` class, because that class cannot pass `--disable-auto-complete-config` (without it each Python
model is imported twice), always opens the model-control API, and keeps every log line in memory.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import os
import secrets
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from gateway.processes import children_of, die_with_parent, is_zombie
from gateway.triton.installation import Installation, environment

logger = logging.getLogger(__name__)

RESTRICTED_PROTOCOLS = "shared-memory,model-repository,statistics,trace,logging"
EXIT_TIMEOUT_SECONDS = 5
REGIONS_PERIOD_SECONDS = 0.25
PORT_TRIES = 20
STUB = "triton_python_b"
"""Name of a Python model's process, of which the kernel keeps fifteen characters."""
NO_GPU_COMPLAINTS = (
    "llocate pinned system memory",
    "CudaDriverHelper",
    "DCGM unable to start",
    "CUDA driver version is insufficient",
)
"""What Triton reports as faults on every machine without a GPU."""


class DataDirTaken(OSError):
    """Another instance runs on the same data folder."""


class PortTaken(OSError):
    """Another program listens on a port of this Triton's."""


class EmbeddedTriton:
    """One Triton process over one model repository, on loopback only.

    Parameters
    ----------
    model_repository
        Folder of models.
    state_dir
        A folder of this instance's own; a lock in it keeps a second instance from sweeping this one's
        processes away.
    grpc_port, metrics_port
        Loopback ports.
    model_config_name
        Triton's `--model-config-name`: `gpu` picks each model's `configs/gpu.pbtxt` where there is one.
    """

    def __init__(
        self,
        *,
        model_repository: Path,
        state_dir: Path,
        grpc_port: int,
        metrics_port: int,
        model_config_name: str = "",
    ) -> None:
        self._model_repository = model_repository.resolve()
        self._state_dir = state_dir.resolve()
        self._ports = (grpc_port, metrics_port)
        self._model_config_name = model_config_name
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()
        self._lock_file: int | None = None
        self._lifeline: int | None = None
        digest = hashlib.sha256(str(self._state_dir).encode()).hexdigest()[:12]
        self._shm_prefix = f"radgate_{digest}_"

    @property
    def url(self) -> str:
        """Host and port of the gRPC endpoint."""
        return f"127.0.0.1:{self._ports[0]}"

    @property
    def pid(self) -> int | None:
        """Process id, or None while no server runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def is_whole(self) -> bool:
        """Whether the server and all its stubs are alive; a stub that died stays behind as a zombie.

        So, for a moment, does each shell by which the starting server tries a stub out.
        """
        pid = self.pid
        return pid is not None and not any(is_zombie(child, named=STUB) for child in children_of(pid))

    async def start(self) -> None:
        """Start the server and return at once; readiness is the canary's to tell.

        Raises
        ------
        TritonNotInstalled
            See `Installation.find`.
        DataDirTaken
            Another instance holds `state_dir`.
        PortTaken
            The gateway would else talk to whoever has the port, perhaps to another instance's Triton.
        """
        async with self._lock:
            self._hold_state_dir()
            await _require_free(self._ports[0], "RADGATE_TRITON_GRPC_PORT")
            await _require_free(self._ports[1], "RADGATE_TRITON_METRICS_PORT")
            await self._launch()

    async def restart(self) -> None:
        """Replace the process: Triton 24.10 never revives a Python stub that died.

        It is not asked to end by itself, which takes it twice as long as a start once a stub is gone.
        """
        async with self._lock:
            await self._terminate(graceful=False)
            await self._launch()

    async def stop(self) -> None:
        """Let running requests end, then stop the server and remove what it left behind."""
        async with self._lock:
            await self._terminate()
            if self._lock_file is not None:
                os.close(self._lock_file)
                self._lock_file = None

    async def _launch(self) -> None:
        installation = Installation.find()
        self._sweep()
        lifeline, self._lifeline = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                str(installation.server),
                *self._arguments(self._lay_backend_folder(installation)),
                env=environment(installation),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=2**20,
                # Ctrl-C reaches the gateway, which stops Triton in its own order.
                start_new_session=True,
                pass_fds=(lifeline,),
                preexec_fn=lambda: _before_exec(lifeline),
            )
        finally:
            os.close(lifeline)
        logger.info("triton started, pid %s, gRPC on %s", self._process.pid, self.url)
        for work in (_forward_log(self._process), self._close_regions(self._process)):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _close_regions(self, process: asyncio.subprocess.Process) -> None:
        """Close shared memory to other users: its mode is 644 whatever the umask, and films lie in it.

        The regions are made when the stubs start, long before the first film comes.
        """
        while process.returncode is None:
            for region in Path("/dev/shm").glob(f"{self._shm_prefix}*"):
                with contextlib.suppress(FileNotFoundError):
                    region.chmod(0o600)
            await asyncio.sleep(REGIONS_PERIOD_SECONDS)

    async def _terminate(self, *, graceful: bool = True) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if graceful and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), EXIT_TIMEOUT_SECONDS + 3)
        if process.returncode is None:
            # The stubs too: `wait` waits for Triton's output to be closed, and a stub that hangs holds it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        self._sweep()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if self._tasks:
            # They end when no stub is left that holds the pipe, which is to be closed before the event loop.
            await asyncio.wait(self._tasks, timeout=EXIT_TIMEOUT_SECONDS)

    def _arguments(self, backends: Path) -> list[str]:
        grpc_port, metrics_port = self._ports
        arguments = [
            f"--model-repository={self._model_repository}",
            f"--backend-directory={backends}",
            "--model-control-mode=none",
            "--disable-auto-complete-config",
            "--strict-readiness=true",
            f"--exit-timeout-secs={EXIT_TIMEOUT_SECONDS}",
            "--log-format=ISO8601",
            "--allow-http=false",
            "--grpc-address=127.0.0.1",
            f"--grpc-port={grpc_port}",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={metrics_port}",
            # Nobody is given this key: the protocols are shut, not shared.
            f"--grpc-restricted-protocol={RESTRICTED_PROTOCOLS}:radgate-key={secrets.token_urlsafe(32)}",
            f"--backend-config=python,shm-region-prefix-name={self._shm_prefix}",
            "--backend-config=python,shm-default-byte-size=16777216",
            "--backend-config=python,shm-growth-byte-size=16777216",
            "--backend-config=python,stub-timeout-seconds=60",
        ]
        if self._model_config_name:
            arguments.append(f"--model-config-name={self._model_config_name}")
        return arguments

    def _lay_backend_folder(self, installation: Installation) -> Path:
        """Put the stub of this Python beside the backend library, where Triton looks for it."""
        folder = self._state_dir / "backends" / "python"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
            (folder / name).symlink_to(installation.python_backend / name)
        (folder / installation.stub.name).symlink_to(installation.stub)
        return folder.parent

    def _hold_state_dir(self) -> None:
        self._state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock_file = os.open(self._state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock_file)
            raise DataDirTaken(
                f"another RadGate runs on {self._state_dir.parent}; give this one its own RADGATE_DATA_DIR"
            ) from error
        self._lock_file = lock_file

    def _sweep(self) -> None:
        """Remove stubs and shared-memory regions that a killed server of this instance left behind."""
        for pid in _stubs_of(self._shm_prefix):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for region in Path("/dev/shm").glob(f"{self._shm_prefix}*"):
            region.unlink(missing_ok=True)


async def _require_free(port: int, setting: str) -> None:
    """Refuse a port that somebody listens on; the Triton of a gateway just killed may take a moment to go."""
    for _ in range(PORT_TRIES):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return
        await asyncio.sleep(0.1)
    raise PortTaken(f"another program listens on port {port}; set {setting} to a free one")


def _stubs_of(shm_prefix: str) -> Iterator[int]:
    """Yield the stub processes that were given a shared-memory region of this prefix."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:  # ended meanwhile
            continue
        if b"triton_python_backend_stub" in command and shm_prefix.encode() in command:
            yield int(folder.name)


def _before_exec(lifeline: int) -> None:
    """Have the kernel end Triton and its stubs when the gateway is gone; keep their files to ourselves.

    A busy stub of Triton 24.10 whose server is gone never ends by itself: it waits for the server with
    Python's lock held, and its watchdog waits for the lock. So when the pipe's other end closes, which
    only the gateway holds, the kernel kills the whole process group.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)
    die_with_parent()
    os.umask(0o077)


async def _forward_log(process: asyncio.subprocess.Process) -> None:
    """Pass Triton's own log lines on: errors and warnings as such, the rest for debugging."""
    assert process.stdout is not None
    while not process.stdout.at_eof():
        # A line longer than the buffer is dropped; Triton must never wait for us to read.
        with contextlib.suppress(ValueError):
            text = (await process.stdout.readline()).decode(errors="replace").rstrip()
            logger.log(_level_of(text), "triton: %s", text)
    logger.info("triton ended, exit code %s", await process.wait())


def _level_of(line: str) -> int:
    """Read the level of a line such as `2026-01-31T10:00:00Z E 4711 server.cc:12] "message"`."""
    if any(complaint in line for complaint in NO_GPU_COMPLAINTS):
        return logging.DEBUG
    _, _, rest = line.partition(" ")
    return {"E ": logging.ERROR, "W ": logging.WARNING}.get(rest[:2], logging.DEBUG)
