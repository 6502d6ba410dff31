"""Run one function in a process of its own that may crash, hang or eat memory without taking us along."""

import fcntl
import importlib
import mmap
import os
import pickle
import resource
import shutil
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from gateway.imaging.errors import ImageError

Result = TypeVar("Result")

START_SECONDS = 60.0
_READY, _RESULT, _IMAGE_ERROR, _OUT_OF_MEMORY = range(4)
# One thread: as many workers run as cores are given to them, and thread stacks count as memory.
_ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1"),
    "MALLOC_ARENA_MAX": "1",
    "RUST_BACKTRACE": "0",  # pylibjpeg-rle panics at damaged frames, which is no bug of ours
}


class Isolated(Generic[Result]):
    """A module-level function, called in a worker process under a memory budget and a deadline.

    Parameters
    ----------
    function
        Importable by name; raises ImageError for what the caller is to know. Any other exception
        ends the worker, its type and places on stderr.
    seconds
        Wall-clock time for one call.
    memory_bytes
        Address space that a call may take on top of what the worker holds after its imports.
    python
        Interpreter of the worker, needed where ours is embedded; by default the one that belongs to
        our standard library.

    One call at a time; further callers wait. Arguments and results travel as anonymous memory
    files that no one has to clean up. The worker ends with its parent, however that ends.
    """

    def __init__(
        self,
        function: Callable[..., Result],
        *,
        seconds: float = 20.0,
        memory_bytes: int = 3 * 2**29,
        python: str | None = None,
    ) -> None:
        self._name = f"{function.__module__}:{function.__qualname__}"
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._python = python or find_python()
        self._lock = threading.Lock()
        self._worker: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._lifeline = -1
        self._ready = False

    def start(self) -> None:
        """Start the worker and wait until it has imported the function; calls do so on demand."""
        with self._lock:
            self._connection()

    def __call__(self, *arguments: Any) -> Result:
        """Call the function.

        Raises
        ------
        ImageError
            The function's own, or: too slow, too much memory, crashed. The next call finds a new worker.
        """
        with self._lock:
            connection = self._connection()
            try:
                connection.settimeout(self._seconds)
                # Bytes go beside the pickle, as arrays do, instead of through it.
                _send(
                    connection,
                    _RESULT,
                    [pickle.PickleBuffer(a) if isinstance(a, bytes) else a for a in arguments],
                )
                kind, value = _receive(connection)
            except TimeoutError as error:
                self._replace()
                raise ImageError(f"the image could not be decoded within {self._seconds:g} s") from error
            except (OSError, EOFError) as error:
                self._replace()
                raise ImageError("the image could not be decoded: its decoder failed") from error
            except BaseException:
                self._stop()
                raise
            if kind == _OUT_OF_MEMORY:
                self._replace()
                raise ImageError("the image could not be decoded within its memory budget")
        if kind == _IMAGE_ERROR:
            raise value
        result: Result = value
        return result

    def close(self) -> None:
        """End the worker."""
        with self._lock:
            self._stop()

    def __enter__(self) -> "Isolated[Result]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connection(self) -> socket.socket:
        """Give the socket of a live worker that is ready."""
        if self._worker is None or self._worker.poll() is not None:
            self._replace()
        assert self._socket is not None
        if not self._ready:
            self._socket.settimeout(START_SECONDS)
            try:
                _receive(self._socket)
            except (OSError, EOFError) as error:
                self._stop()
                raise RuntimeError(f"the worker for {self._name} does not start") from error
            self._ready = True
        return self._socket

    def _replace(self) -> None:
        self._stop()
        path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
        self._socket, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        with theirs:
            descriptors = (theirs.fileno(), lifeline)
            numbers = map(str, (*descriptors, self._memory_bytes))
            self._worker = subprocess.Popen(
                [self._python, "-m", __name__, self._name, *numbers],
                env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                pass_fds=descriptors,
                start_new_session=True,
            )
        os.close(lifeline)

    def _stop(self) -> None:
        if self._socket:
            self._socket.close()
            os.close(self._lifeline)
        if self._worker:
            self._worker.kill()
            self._worker.wait()
        self._socket = self._worker = None
        self._ready = False


def find_python() -> str:
    """Find the interpreter of this Python; `sys.executable` is another program where Python is embedded."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    homes = [sys.prefix, sys.exec_prefix, sys.base_prefix, str(Path(os.__file__).parents[2])]
    for candidate in (*(f"{home}/bin/{name}" for home in homes), shutil.which(name)):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    return sys.executable


def _send(connection: socket.socket, kind: int, value: Any) -> None:
    """Send a value as a memory file: pickle, then the arrays' own bytes, aligned to 64."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(pickled), *(buffer.raw() for buffer in buffers)]
    file = os.memfd_create("radgate", os.MFD_CLOEXEC)
    try:
        at = 0
        for part in parts:
            start = at
            while at < start + len(part):
                at += os.pwrite(file, part[at - start :], at)
            at += -at % 64
        os.ftruncate(file, max(at, 1))
        header = pickle.dumps((kind, [len(part) for part in parts]))
        socket.send_fds(connection, [len(header).to_bytes(4, "little") + header], [file])
    finally:
        os.close(file)


def _receive(connection: socket.socket) -> tuple[int, Any]:
    """Receive a value; its arrays lie in the memory file, mapped for as long as they live."""
    data, files, _, _ = socket.recv_fds(connection, 4, 1)
    if not files:
        raise EOFError
    try:
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "little"):
            more = connection.recv(
                4 + int.from_bytes(data[:4], "little") - len(data) if len(data) >= 4 else 1
            )
            if not more:
                raise EOFError
            data += more
        kind, lengths = pickle.loads(data[4:])
        view, at, parts = memoryview(mmap.mmap(files[0], 0)), 0, []
        for length in lengths:
            parts.append(view[at : at + length])
            at += length + -length % 64
        return kind, pickle.loads(parts[0], buffers=parts[1:])
    finally:
        os.close(files[0])


def _die_with_parent(lifeline: int) -> None:
    """Have the kernel end us, by SIGIO, when the other end of a pipe closes, whatever we are doing.

    PR_SET_PDEATHSIG would do so already when the thread ends that started us.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)


def _report_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an uncaught exception without its text, which may quote what it choked on: patient data."""
    places = "".join(traceback.format_tb(trace))
    sys.stderr.write(f"{kind.__name__} in an isolated function:\n{places}")


def _serve(name: str, descriptor: int, lifeline: int, memory_bytes: int) -> None:
    """Answer calls until the other end closes."""
    _die_with_parent(lifeline)
    module, function_name = name.split(":")
    function = getattr(importlib.import_module(module), function_name)
    sys.excepthook = _report_bug
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + memory_bytes, held + memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Closed by our exit and not before: at its end the parent kills us, and a bug is to be reported first.
    connection = socket.socket(fileno=descriptor)
    _send(connection, _READY, None)
    while True:
        try:
            arguments = [bytes(a) if isinstance(a, memoryview) else a for a in _receive(connection)[1]]
        except (EOFError, ConnectionError):
            return
        try:
            _send(connection, _RESULT, function(*arguments))
        except ImageError as error:
            _send(connection, _IMAGE_ERROR, error)
        except MemoryError:
            _send(connection, _OUT_OF_MEMORY, None)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
