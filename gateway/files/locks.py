"""One publication at a time per folder: among our threads, and among processes."""

import contextlib
import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator

# A fixed number of stripes cannot grow with the folders ever seen; two folders that share one
# merely wait for each other for the few renames of a publication.
_STRIPES = tuple(threading.Lock() for _ in range(64))


def try_flock(fd: int) -> bool | None:
    """Take an exclusive flock: True, False when another holds it, None where there is no flock."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # NFS maps flock to record locks, which a folder (never open for writing) cannot hold: EBADF.
        if error.errno in (errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS):
            return None
        raise
    return True


@contextlib.contextmanager
def publishing_in(folder_fd: int, *, timeout_seconds: float) -> Iterator[None]:
    """Hold the folder for a publication; the lock lies on the folder itself and leaves no file behind.

    Raises
    ------
    TimeoutError
        Another process kept it for longer than `timeout_seconds`.
    """
    deadline = time.monotonic() + timeout_seconds
    status = os.fstat(folder_fd)
    stripe = _STRIPES[hash((status.st_dev, status.st_ino)) % len(_STRIPES)]
    if not stripe.acquire(timeout=timeout_seconds):
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    try:
        # flock belongs to the open file description: a fresh one excludes whoever shares folder_fd.
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder_fd)
        try:
            _wait_for_flock(fd, deadline)
            yield
        finally:
            os.close(fd)
    finally:
        stripe.release()


def _wait_for_flock(fd: int, deadline: float) -> None:
    # Polled, because a blocking flock has no timeout and anyone who can read the folder can hold it.
    pause = 0.0002
    while try_flock(fd) is False:
        if time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        time.sleep(pause)
        pause = min(2 * pause, 0.01)
