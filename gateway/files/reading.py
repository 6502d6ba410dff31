"""An opened input file, and reading from it without ever touching its path again."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from gateway.files.errors import FileTooLarge, PathMissing, PathRefused
from gateway.files.walk import fault

# O_NONBLOCK: opening a FIFO must not wait for a writer. O_NOCTTY: a terminal must not adopt us.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True)
class OpenedFile:
    """A descriptor of a regular file and what fstat said about it; close it, or use `with`."""

    fd: int
    stat: os.stat_result

    @property
    def size(self) -> int:
        """Bytes in the file when it was opened."""
        return self.stat.st_size

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)

    def __enter__(self) -> "OpenedFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_file(dir_fd: int, name: str) -> OpenedFile:
    """Open one regular file that has no second name.

    Raises
    ------
    PathMissing
        Nothing there, or a directory.
    PathRefused
        Symbolic or hard link, FIFO, socket, device, or not readable.
    """
    try:
        # Looking first spares devices an open(), which can rewind a tape; the check that counts
        # is the one on the descriptor below.
        _require_plain(os.stat(name, dir_fd=dir_fd, follow_symlinks=False))
        fd = os.open(name, _READ, dir_fd=dir_fd)
    except OSError as error:
        raise fault(error, dir_fd, name) from None
    try:
        status = os.fstat(fd)
        _require_plain(status)
    except BaseException:
        os.close(fd)
        raise
    return OpenedFile(fd, status)


def _require_plain(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise PathMissing("The path is a folder, not a file")
    if stat.S_ISLNK(status.st_mode):
        raise PathRefused("The path is a symbolic link")
    if not stat.S_ISREG(status.st_mode):
        raise PathRefused("The path is not a regular file")
    # A hard link inside a root can name a file outside it, and no walk can tell. (None at all is a
    # file deleted since, or a FUSE filesystem that does not count.)
    if status.st_nlink > 1:
        raise PathRefused("The file has a second name (hard link)")


def read_bounded(fd: int, max_bytes: int) -> bytes:
    """Read the whole file from its start, whatever its offset.

    Raises
    ------
    FileTooLarge
        It holds more than `max_bytes`, also when it grew after it was opened.
    """
    size = os.fstat(fd).st_size
    if size <= max_bytes:
        data = b"".join(_pieces(fd, max_bytes + 1, first=size + 1))
        if len(data) <= max_bytes:
            return data
    raise FileTooLarge(f"The file is larger than {max_bytes} bytes")


def read_prefix(fd: int, max_bytes: int) -> bytes:
    """Read at most the first `max_bytes`, whatever the offset."""
    return b"".join(_pieces(fd, max_bytes, first=max_bytes))


def _pieces(fd: int, limit: int, *, first: int) -> Iterator[bytes]:
    # A read may come back short (Linux moves at most 2 GiB, network filesystems less).
    offset, want = 0, first
    while offset < limit:
        piece = os.pread(fd, min(want, limit - offset), offset)
        if not piece:
            return
        yield piece
        offset += len(piece)
        want = max(first - offset, 1 << 16)
