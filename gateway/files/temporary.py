"""Hidden folders in which a set of files is prepared, and what a killed process left of them."""

import contextlib
import errno
import os
import re
import secrets
import time

from gateway.files.locks import try_flock

PREFIX = ".radgate-"
_NAME = re.compile(re.escape(PREFIX) + r"[0-9a-f]{16}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ATTEMPTS = 5


def make(folder_fd: int) -> tuple[str, int]:
    """Make a hidden folder and give its name and a descriptor whose flock tells `sweep` that it lives.

    Raises
    ------
    FileNotFoundError
        `folder_fd` has been removed meanwhile.
    """
    for _ in range(_ATTEMPTS):
        name = PREFIX + secrets.token_hex(8)
        os.mkdir(name, dir_fd=folder_fd)
        fd = _claim(folder_fd, name)
        if fd is not None:
            return name, fd
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def _claim(folder_fd: int, name: str) -> int | None:
    """Open and lock a new hidden folder; None when a sweep was faster."""
    with contextlib.ExitStack() as undo:
        undo.callback(remove, folder_fd, name)
        try:
            fd = os.open(name, _FOLDER, dir_fd=folder_fd)
        except FileNotFoundError:
            return None
        undo.callback(os.close, fd)
        if try_flock(fd) is False or os.fstat(fd).st_nlink == 0:
            return None
        undo.pop_all()
        return fd


def remove(folder_fd: int, name: str) -> bool:
    """Remove a hidden folder with its files and folders, as far as possible; tell whether it is gone."""
    with contextlib.suppress(OSError):
        fd = os.open(name, _FOLDER, dir_fd=folder_fd)
        try:
            for entry in os.listdir(fd):
                try:
                    os.unlink(entry, dir_fd=fd)
                except OSError:
                    remove(fd, entry)
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=folder_fd)
        return True
    return False


def sweep(folder_fd: int, older_than_seconds: float) -> int:
    """Remove hidden folders that a killed process left; give their number.

    One that a living process holds (by flock) stays. Where the filesystem knows no flock the age
    alone decides, so let `older_than_seconds` be longer than any request.
    """
    with os.scandir(folder_fd) as entries:
        names = [entry.name for entry in entries if _NAME.fullmatch(entry.name)]
    return sum(_sweep_one(folder_fd, name, older_than_seconds) for name in names)


def _sweep_one(folder_fd: int, name: str, older_than_seconds: float) -> bool:
    try:
        fd = os.open(name, _FOLDER, dir_fd=folder_fd)
    except OSError:
        return False  # gone, or somebody's link or file of that name
    try:
        status = os.fstat(fd)
        # An exchanged-out old set has an old mtime but a fresh ctime, which the rename sets.
        age = time.time() - max(status.st_mtime, status.st_ctime)
        if age < older_than_seconds or try_flock(fd) is False:
            return False
        return remove(folder_fd, name)
    finally:
        os.close(fd)
