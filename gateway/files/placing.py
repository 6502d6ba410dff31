"""Put files, and folders of files, into a folder of someone else's: each appears whole or not at all."""

import contextlib
import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from gateway.errors import OutputFailed
from gateway.files import rename, temporary
from gateway.files.output_folder import OutputFolder, reason, sync_folder

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
COPY_BYTES = 2**20


def put_in_place(folder: OutputFolder, sources: Sequence[Path]) -> None:
    """Copy files, or folders of files, into a folder, under their own names and in their order.

    All are copied and flushed before the first appears; where one cannot, those that did are taken back.
    What has such a name already is left as it is: names are to be unlike anyone else's, so that it is what
    an interrupted earlier call put there.

    Raises
    ------
    OutputFailed
    """
    placed: list[str] = []
    try:
        hidden, fd = temporary.make(folder.fd)
        try:
            for source in sources:
                _copy(source, fd)
            sync_folder(fd)
            for source in sources:
                with contextlib.suppress(FileExistsError):
                    rename.rename_new(fd, source.name, folder.fd, source.name)
                    placed.append(source.name)
            folder.sync()
        finally:
            temporary.remove(folder.fd, hidden)
            os.close(fd)
    except OSError as error:
        for name in placed:
            _take_back(folder.fd, name)
        raise OutputFailed(f"The results could not be written: {reason(error)}", errno=error.errno) from None


def _copy(source: Path, folder_fd: int) -> None:
    if not source.is_dir():
        _copy_file(source, folder_fd)
        return
    os.mkdir(source.name, dir_fd=folder_fd)
    fd = os.open(source.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder_fd)
    try:
        for each in sorted(source.iterdir()):
            _copy_file(each, fd)
        sync_folder(fd)
    finally:
        os.close(fd)


def _copy_file(source: Path, folder_fd: int) -> None:
    target: IO[bytes]
    fd = os.open(source.name, _NEW_FILE, 0o666, dir_fd=folder_fd)
    with os.fdopen(fd, "wb") as target, source.open("rb") as opened:
        shutil.copyfileobj(opened, target, COPY_BYTES)
        target.flush()
        os.fsync(target.fileno())


def _take_back(folder_fd: int, name: str) -> None:
    with contextlib.suppress(OSError):
        try:
            os.unlink(name, dir_fd=folder_fd)
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EPERM):
                raise
            temporary.remove(folder_fd, name)
