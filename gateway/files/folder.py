"""The files below an opened folder: found and opened without ever following a symbolic link."""

import logging
import os
from collections.abc import Generator

from gateway.errors import InvalidRequest
from gateway.files import walk
from gateway.files.errors import PathRefused
from gateway.files.reading import OpenedFile, open_file

logger = logging.getLogger(__name__)

MAX_DEPTH = 100
"""Each folder on the way is held open, and stands on Python's stack."""


def walk_files(folder_fd: int, *, suffix: str) -> Generator[str, None, None]:
    """Give the relative paths of all files below whose names end so, in any case; sorted as text.

    One folder's names at a time are in memory. Links to files and folders that cannot be read (their
    names end in a slash) are given too, for whoever opens them to be refused; links to folders are not.
    """
    yield from _walk(walk.open_folder(folder_fd, "."), "", suffix.lower(), 0)


def open_listed(folder_fd: int, name: str) -> OpenedFile:
    """Open a file that `walk_files` gave; raises as `open_file` does."""
    *folders, last = name.split("/")
    if not last:
        raise PathRefused("The folder could not be read")
    fd = os.dup(folder_fd)
    try:
        for folder in folders:
            child = walk.open_search(fd, folder)
            os.close(fd)
            fd = child
        return open_file(fd, last)
    finally:
        os.close(fd)


def _walk(fd: int, prefix: str, suffix: str, depth: int) -> Generator[str, None, None]:
    try:
        for name in _names(fd, suffix, depth):
            if not name.endswith("/") or (child := _enter(fd, name[:-1], depth)) is None:
                yield prefix + name
            else:
                yield from _walk(child, prefix + name, suffix, depth + 1)
    finally:
        os.close(fd)


def _names(fd: int, suffix: str, depth: int) -> list[str]:
    """List a folder; its folders end in a slash, which also puts whole paths into the order of text."""
    try:
        with os.scandir(fd) as entries:
            return sorted(filter(None, (_wanted(entry, suffix) for entry in entries)))
    except OSError as error:
        if depth == 0:
            raise walk.nameless(error) from None
        _left_out(walk.nameless(error))
        return []


def _wanted(entry: os.DirEntry[str], suffix: str) -> str:
    if entry.is_dir(follow_symlinks=False):
        return f"{entry.name}/"
    if not entry.name.lower().endswith(suffix):
        return ""
    try:
        return "" if entry.is_dir() else entry.name
    except OSError:
        return entry.name  # a link in a circle


def _enter(fd: int, name: str, depth: int) -> int | None:
    try:
        if depth == MAX_DEPTH:
            raise PathRefused("It lies too deep")
        return walk.open_folder(fd, name)
    except (InvalidRequest, OSError) as error:
        _left_out(error)
        return None


def _left_out(error: Exception) -> None:
    logger.warning("a folder is left out: %s", error)
