"""How a model tells those that it called that nobody wants their work any more.

Triton 24.10 does not pass a cancellation on to models called from another one. So the caller holds a lock on
a file of its own while it wants the work, and the called look from time to time whether it still does. A
caller that dies loses the lock, too.
"""

import contextlib
import fcntl
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

Tensors = dict[str, np.ndarray]
_NAME = re.compile(r"[0-9a-f]{32}")


class Lease:
    """What the caller holds; `name` is for those that it calls."""

    def __init__(self) -> None:
        self.name = secrets.token_hex(16)
        self._file = os.open(_path(self.name), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        """Want the work no more; a second time does nothing."""
        if self._file >= 0:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_path(self.name))
            os.close(self._file)
            self._file = -1


def is_over(name: str) -> bool:
    """Whether a lease's holder has ended it, or is gone.

    An empty name is a lease for ever, and one that is none counts as over.
    """
    if not name:
        return False
    if not _NAME.fullmatch(name):
        return True
    try:
        file = os.open(_path(name), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def while_wanted(
    parts: Iterable[Tensors], lease: np.ndarray, is_cancelled: Callable[[], bool]
) -> Iterator[Tensors]:
    """Yield a model's answer part by part, until its caller is gone or has ended the lease.

    Parameters
    ----------
    lease
        Its name, shape (1,), dtype object.
    """
    name = lease[0].decode()
    for part in parts:
        if is_cancelled() or is_over(name):
            return
        yield part


def _path(name: str) -> Path:
    return Path(tempfile.gettempdir()) / f"radgate_lease_{name}"
