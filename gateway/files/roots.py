"""Every path from outside is opened here, below the roots that the operator allows."""

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.files import walk
from gateway.files.errors import PathMissing, PathRefused
from gateway.files.output_folder import OutputFolder, open_below
from gateway.files.reading import OpenedFile, open_file
from gateway.files.temporary import sweep

SWEEP_PERIOD_SECONDS = 3600.0
"""Longer than any request: where a filesystem knows no locks, age alone tells what a dead process left."""
MAX_SWEPT = 10_000


class Roots:
    """The folders below which paths from outside may lie; none given means anywhere.

    A root may itself be reached through symbolic links (`/data -> /mnt/nas`): it is resolved once,
    here, and a request may spell it either way. Below a root no component may be a link. Without
    roots every component of the path is below "/", so a path through a system's own link
    (`/var/run`, or `/tmp` on macOS) is refused.
    """

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        if any(not path.is_absolute() for path in paths):
            raise ValueError("A root must be an absolute path")
        found = {_parts(spelling): os.path.realpath(path) for path in paths for spelling in _spellings(path)}
        # Whole components are compared, so /data does not admit /data2; the deepest root wins.
        self._swept: dict[str, float] = {}
        self._roots = sorted(found.items(), key=lambda item: -len(item[0])) or [((), "/")]

    def open_input(self, path: str) -> OpenedFile:
        """Open a regular file for reading; everything about it is then read from the descriptor.

        Raises
        ------
        PathRefused
            Malformed, outside the roots, through a link, a second name of a file, not a regular
            file, or not readable: a caller who may not read a file learns nothing else about it.
        PathMissing
            Nothing there, or a directory.
        """
        root, parts = self._locate(path)
        if not parts or path.endswith("/"):
            raise PathMissing("The path is a folder, not a file")
        parent = walk.descend(root, parts[:-1])
        try:
            return open_file(parent, parts[-1])
        finally:
            os.close(parent)

    def open_input_folder(self, path: str) -> int:
        """Open a folder for listing and give its descriptor, which the caller closes.

        Raises
        ------
        PathRefused
            As for `open_input`.
        PathMissing
            Nothing there, or a file.
        """
        root, parts = self._locate(path)
        parent = walk.descend(root, parts[:-1])
        try:
            return walk.open_folder(parent, parts[-1] if parts else ".")
        finally:
            os.close(parent)

    def open_output_folder(self, path: str, create: bool = True) -> OutputFolder:
        """Open a folder to write into, making it and its parents where missing.

        Raises
        ------
        PathRefused
            Malformed, outside the roots, or through a link.
        PathMissing
            Nothing there and `create` is false.
        OutputFailed
            A file is in the way, or the filesystem does not let us (permissions, full, read-only).
        """
        root, parts = self._locate(path)
        folder = open_below(root, parts, path=path, create=create)
        self._sweep_now_and_then(folder)
        return folder

    def _sweep_now_and_then(self, folder: OutputFolder) -> None:
        """Remove what a killed process left in this folder, when we meet it and then once an hour."""
        now = time.monotonic()
        if now - self._swept.get(folder.path, -SWEEP_PERIOD_SECONDS) < SWEEP_PERIOD_SECONDS:
            return
        if len(self._swept) >= MAX_SWEPT:
            self._swept.clear()
        self._swept[folder.path] = now
        with contextlib.suppress(OSError):
            sweep(folder.fd, older_than_seconds=SWEEP_PERIOD_SECONDS)

    def _locate(self, path: str) -> tuple[str, tuple[str, ...]]:
        parts = walk.components(path)
        for spelling, real in self._roots:
            if parts[: len(spelling)] == spelling:
                return real, parts[len(spelling) :]
        raise PathRefused("The path is outside the allowed folders")


def _spellings(path: Path) -> set[str]:
    return {os.path.normpath(path), os.path.realpath(path)}


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)
