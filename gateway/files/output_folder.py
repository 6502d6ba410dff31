"""An opened folder to write into, which knows which of its parents it had to make."""

import contextlib
import errno
import os
from collections.abc import Iterator
from types import TracebackType

from gateway.errors import OutputFailed
from gateway.files import walk
from gateway.files.errors import PathMissing, PathRefused, PathUnreadable

_ATTEMPTS = 5


class OutputFolder:
    """A folder's descriptor; `with` closes it, and after an error takes back the empty folders it made."""

    def __init__(self, fd: int, *, path: str, root: str, parts: tuple[str, ...]) -> None:
        self.fd = fd
        self.path = path
        self._root = root
        self._parts = parts
        self._created: list[tuple[int, str]] = []

    def remove_created(self) -> None:
        """Remove the folders that opening this one made, as far as they are empty."""
        for parent, name in reversed(self._created):
            try:
                os.rmdir(name, dir_fd=parent)
            except OSError:
                return  # someone uses it by now

    def reopen(self) -> None:
        """Make and open the folder again, after another request took back what looked unused."""
        again = open_below(self._root, self._parts, path=self.path, create=True)
        # The number stays the same, for another thread may be about to use it.
        os.dup2(again.fd, self.fd, inheritable=False)
        os.close(again.fd)
        self._created += again._created

    def sync(self) -> None:
        """Make the folder's entries survive a power cut, and its own entry where it is new."""
        sync_folder(self.fd)
        for parent, _ in self._created:
            fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
            try:
                sync_folder(fd)
            finally:
                os.close(fd)

    def close(self) -> None:
        """Close the descriptors."""
        for fd in (self.fd, *(parent for parent, _ in self._created)):
            os.close(fd)
        self._created.clear()

    def __enter__(self) -> "OutputFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.remove_created()
        self.close()

    def _step_into(self, name: str, *, create: bool) -> None:
        parent = self.fd
        if create and _make(parent, name):
            self._created.append((os.dup(parent), name))
        self.fd = walk.open_search(parent, name)
        os.close(parent)

    def _become_listable(self) -> None:
        searched = self.fd
        self.fd = walk.open_folder(searched, ".")
        os.close(searched)


def open_below(root: str, parts: tuple[str, ...], *, path: str, create: bool) -> OutputFolder:
    """Open the folder that `parts` lead to below `root`; see `Roots.open_output_folder`."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _open_once(root, parts, path=path, create=create)
        except (FileNotFoundError, PathMissing):
            # Missing although made: another request made a folder on the way and took it back
            # while we stood in it. A file on the way looks the same and stays.
            if not create:
                raise
            if attempt == _ATTEMPTS:
                raise OutputFailed("The output folder cannot be made: something is in its way") from None
    raise AssertionError("unreachable")


def _open_once(root: str, parts: tuple[str, ...], *, path: str, create: bool) -> OutputFolder:
    with _output_faults():
        folder = OutputFolder(walk.open_root(root), path=path, root=root, parts=parts)
        try:
            for part in parts:
                folder._step_into(part, create=create)
            folder._become_listable()
        except BaseException:
            folder.remove_created()
            folder.close()
            raise
    return folder


def _make(dir_fd: int, name: str) -> bool:
    # Looking first keeps an existing folder on a read-only parent usable: mkdir might say EROFS.
    try:
        os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        return False
    except FileNotFoundError:
        pass
    try:
        os.mkdir(name, dir_fd=dir_fd)
    except FileExistsError:
        return False  # another request was faster
    return True


@contextlib.contextmanager
def _output_faults() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except PathUnreadable:
        raise OutputFailed(
            "The output folder cannot be opened: Permission denied", errno=errno.EACCES
        ) from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise PathRefused("The path is too long") from None
        raise OutputFailed(f"The output folder cannot be made: {reason(error)}", errno=error.errno) from None


def sync_folder(fd: int) -> None:
    """Flush a folder's entries; some network and FUSE filesystems know no such thing."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS):
            raise


def reason(error: OSError) -> str:
    """Give an OSError's words without its file name, which may be a patient's."""
    return os.strerror(error.errno or errno.EIO)
