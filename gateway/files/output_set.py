"""Publish a set of files into a folder so that no reader ever sees half of it."""

import contextlib
import errno
import logging
import os
import stat
from collections.abc import Iterator
from types import TracebackType

from gateway.errors import OutputFailed
from gateway.files import rename, temporary
from gateway.files.locks import publishing_in
from gateway.files.output_folder import OutputFolder, reason, sync_folder

logger = logging.getLogger(__name__)

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ATTEMPTS = 5


class OutputSet:
    """A set of files that appears as `<folder>/<name>/` all at once, or not at all.

    The files are first written complete into a hidden folder beside the target. Then (a) a target
    that does not exist gets that folder by one rename; (b) one that holds nothing but files of this
    set's names is exchanged with it in one step; (c) one that holds other files too, or lies on a
    filesystem that cannot exchange, has its `marker` file removed first and the new one put in
    place last: whoever starts from the marker finds a whole set or none. A failure half way
    through (c), which takes a dying disk, leaves the target without its marker.

    Every method blocks, may run in any thread, and raises OutputFailed without naming a file.
    """

    def __init__(
        self, folder: OutputFolder, name: str, *, marker: str, lock_timeout_seconds: float = 30.0
    ) -> None:
        self._folder = folder
        self._name = _plain(name)
        self._marker = _plain(marker)
        self._lock_timeout_seconds = lock_timeout_seconds
        self._written: set[str] = set()
        self._temporary = ""
        self._fd = -1

    def __enter__(self) -> "OutputSet":
        with _as_output_failed():
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    self._temporary, self._fd = temporary.make(self._folder.fd)
                    break
                except FileNotFoundError:
                    # The request that made the output folder has failed and taken it back.
                    if attempt == _ATTEMPTS:
                        raise
                    self._folder.reopen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._temporary:
            temporary.remove(self._folder.fd, self._temporary)
        os.close(self._fd)

    def write(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Write one file of the set, complete and flushed to the disk."""
        with _as_output_failed():
            fd = os.open(_plain(name), _NEW_FILE, 0o666, dir_fd=self._fd)
            try:
                rest = memoryview(data).cast("B")
                while rest:
                    rest = rest[os.write(fd, rest) :]
                os.fsync(fd)  # a full disk may first be noticed here
            finally:
                os.close(fd)
        self._written.add(name)

    def publish(self) -> None:
        """Put the set in place, once."""
        if self._marker not in self._written:
            raise ValueError("The set lacks its marker file")
        with _as_output_failed():
            sync_folder(self._fd)
            with publishing_in(self._folder.fd, timeout_seconds=self._lock_timeout_seconds):
                self._put_in_place()
            self._folder.sync()

    def _put_in_place(self) -> None:
        for _ in range(_ATTEMPTS):
            try:
                target_fd = os.open(self._name, _FOLDER, dir_fd=self._folder.fd)
            except FileNotFoundError:
                if self._move_to_new_target():
                    return
                continue
            try:
                self._replace(target_fd)
            finally:
                os.close(target_fd)
            return
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    def _move_to_new_target(self) -> bool:
        try:
            rename.rename_new(self._folder.fd, self._temporary, self._folder.fd, self._name)
        except FileExistsError:
            return False
        self._temporary = ""
        return True

    def _replace(self, target_fd: int) -> None:
        if self._holds_only_ours(target_fd):
            with contextlib.suppress(OSError):  # a folder that someone closed to others stays so
                os.fchmod(self._fd, stat.S_IMODE(os.fstat(target_fd).st_mode))
            if rename.exchange(self._folder.fd, self._temporary, self._name):
                self._retire(target_fd)
                return
        self._merge(target_fd)

    def _holds_only_ours(self, target_fd: int) -> bool:
        with os.scandir(target_fd) as entries:
            return all(e.name in self._written and e.is_file(follow_symlinks=False) for e in entries)

    def _retire(self, old_fd: int) -> None:
        # The hidden name now holds the old set. What a stranger added after we looked is not ours
        # to delete: it moves back.
        old, self._temporary = self._temporary, ""
        try:
            for name in os.listdir(old_fd):
                if name in self._written:
                    os.unlink(name, dir_fd=old_fd)
                else:
                    rename.rename_new(old_fd, name, self._fd, name)
            os.rmdir(old, dir_fd=self._folder.fd)
        except OSError as error:
            logger.warning("An old set of results could not be removed: %s", reason(error))

    def _merge(self, target_fd: int) -> None:
        others = sorted(self._written - {self._marker})
        for name in (*others, self._marker):
            _require_no_folder(target_fd, name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._marker, dir_fd=target_fd)
        # The flushes keep this order across a power cut, too.
        sync_folder(target_fd)
        for name in others:
            os.rename(name, name, src_dir_fd=self._fd, dst_dir_fd=target_fd)
        sync_folder(target_fd)
        os.rename(self._marker, self._marker, src_dir_fd=self._fd, dst_dir_fd=target_fd)
        sync_folder(target_fd)


def _require_no_folder(dir_fd: int, name: str) -> None:
    """Find out before anything is touched that a rename would fail half way."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))


def _plain(name: str) -> str:
    """Require a name that stays in its folder; ours come from `folder_name`, so this is a bug's end."""
    if name in ("", ".", "..") or "/" in name or "\0" in name or name.startswith(temporary.PREFIX):
        raise ValueError("Not a plain file name")
    return name


@contextlib.contextmanager
def _as_output_failed() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # A target that is a symbolic link or a file arrives here as ENOTDIR, by O_DIRECTORY.
        raise OutputFailed(f"The results could not be written: {reason(error)}", errno=error.errno) from None
