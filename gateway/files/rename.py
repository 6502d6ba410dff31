"""Linux's renameat2: exchange two names in one step, or rename without replacing anything."""

import ctypes
import errno
import os

_NOREPLACE = 1  # linux/fs.h: RENAME_NOREPLACE
_EXCHANGE = 2  # linux/fs.h: RENAME_EXCHANGE

# EINVAL is what a filesystem without the flag answers (NFS, many FUSE ones); ENOSYS an old kernel.
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})

# glibc since 2.28; other systems lack it, and then the callers' fallbacks serve.
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
if _renameat2 is not None:
    _renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)


def exchange(dir_fd: int, first: str, second: str) -> bool:
    """Swap two entries of one folder; False when the filesystem cannot."""
    return _call(dir_fd, first, dir_fd, second, _EXCHANGE)


def rename_new(from_fd: int, source: str, to_fd: int, target: str) -> None:
    """Rename, raising FileExistsError rather than replacing, where the filesystem can tell."""
    if not _call(from_fd, source, to_fd, target, _NOREPLACE):
        os.rename(source, target, src_dir_fd=from_fd, dst_dir_fd=to_fd)


def _call(from_fd: int, source: str, to_fd: int, target: str, flags: int) -> bool:
    if _renameat2 is None:
        return False
    if _renameat2(from_fd, os.fsencode(source), to_fd, os.fsencode(target), flags) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number))
