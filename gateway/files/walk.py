"""Walk a path one component at a time, so that nothing on the way can be a symbolic link."""

import errno
import os
import stat

from gateway.files.errors import PathMissing, PathRefused, PathUnreadable

MAX_PATH_CHARACTERS = 4096

# O_PATH asks for search permission only, as an ordinary path lookup does. O_DIRECTORY also makes an
# automounted share appear, which O_PATH alone does not.
_SEARCH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# What is the caller's business. Anything else (EIO, EMFILE, ESTALE) is ours and stays an OSError.
_REFUSED = frozenset({errno.ENAMETOOLONG, errno.ENXIO, errno.EINVAL})
_UNREADABLE = frozenset({errno.EACCES, errno.EPERM})


def components(path: str) -> tuple[str, ...]:
    """Split an absolute path; doubled and trailing slashes mean nothing, as in POSIX.

    Raises
    ------
    PathRefused
        When it is relative, empty, too long, or holds NUL, `.`, `..` or half a surrogate pair.
    """
    if not path.startswith("/"):
        raise PathRefused("The path is not absolute")
    if len(path) > MAX_PATH_CHARACTERS:
        raise PathRefused("The path is too long")
    if "\0" in path:
        raise PathRefused("The path holds a NUL character")
    try:
        path.encode()
    except UnicodeEncodeError as error:
        # JSON can spell "\udcff", which os.fsencode would turn into a raw byte.
        raise PathRefused("The path is not valid Unicode") from error
    parts = tuple(part for part in path.split("/") if part)
    if "." in parts or ".." in parts:
        raise PathRefused("The path holds a relative component")
    return parts


def open_root(path: str) -> int:
    """Open a root, the only step that may follow symbolic links: they are the operator's."""
    try:
        return os.open(path, _SEARCH & ~os.O_NOFOLLOW)
    except OSError as error:
        raise fault(error) from None


def open_search(dir_fd: int, name: str) -> int:
    """Open one folder on the way, for looking things up in it."""
    try:
        return os.open(name, _SEARCH, dir_fd=dir_fd)
    except OSError as error:
        raise fault(error, dir_fd, name) from None


def open_folder(dir_fd: int, name: str) -> int:
    """Open one folder for listing, locking and fsync, which an O_PATH descriptor cannot do."""
    try:
        return os.open(name, _READ_FOLDER, dir_fd=dir_fd)
    except OSError as error:
        raise fault(error, dir_fd, name) from None


def descend(root: str, parts: tuple[str, ...]) -> int:
    """Open the folder that `parts` lead to below `root`."""
    fd = open_root(root)
    try:
        for part in parts:
            child = open_search(fd, part)
            os.close(fd)
            fd = child
    except BaseException:
        os.close(fd)
        raise
    return fd


def fault(error: OSError, dir_fd: int | None = None, name: str = "") -> Exception:
    """Say what an OSError means for the caller; only the wording depends on the second look."""
    if error.errno == errno.ENOENT:
        return PathMissing("There is nothing at this path")
    if error.errno == errno.ENOTDIR:
        # Linux reports O_NOFOLLOW|O_DIRECTORY on a symbolic link as ENOTDIR, BSD as ELOOP.
        if dir_fd is None or _is_file(dir_fd, name):
            return PathMissing("There is a file where the path needs a folder")
        return PathRefused("The path leads through a symbolic link")
    if error.errno == errno.ELOOP:
        return PathRefused("The path leads through a symbolic link")
    if error.errno in _UNREADABLE:
        return PathUnreadable("The path is not readable")
    if error.errno in _REFUSED:
        return PathRefused("The path cannot be opened")
    return nameless(error)


def _is_file(dir_fd: int, name: str) -> bool:
    try:
        mode = os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode
    except OSError:
        return True  # gone: nothing that could have led anywhere
    # A folder by now was a link a moment ago, in the hands of someone who swaps the two.
    return not stat.S_ISLNK(mode) and not stat.S_ISDIR(mode)


def nameless(error: OSError) -> OSError:
    """Copy an OSError without its file name, which may be a patient's."""
    number = error.errno or errno.EIO
    return OSError(number, os.strerror(number))
