"""Every path from outside is opened here, below the roots that the operator allows."""

import os
from collections.abc import Sequence
from pathlib import Path

from gateway.files import walk
from gateway.files.errors import PathMissing, PathRefused
from gateway.files.output_folder import OutputFolder, open_below
from gateway.files.reading import OpenedFile, open_file


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
        return open_below(root, parts, path=path, create=create)

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
