"""The secret that signs tokens: given, read from a file, or made on the first start."""

import os
import secrets
import stat
from pathlib import Path

MIN_SECRET_BYTES = 32  # RFC 7518 §3.2: a key for HS256 is at least as long as its hash


class SecretRefused(ValueError):
    """A secret that protects nothing; the sentence says why."""


def secret_from(value: str | None, file: Path) -> str:
    """Give `value`, or the content of `file`, which is made (mode 0600) when it does not exist.

    Raises
    ------
    SecretRefused
        Too short, not text, or a file that others may read. Its group may: Kubernetes hands a
        mounted secret to a user that is not root in no other way.
    """
    if value is not None:
        return _long_enough(value.strip(), "The secret")
    try:
        return _read(file)
    except FileNotFoundError:
        _create(file)
        return _read(file)


def _read(file: Path) -> str:
    # O_NONBLOCK: a FIFO must not hold up the start. A folder is what Docker mounts for a missing file.
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise SecretRefused(f"The secret file {file} is not a regular file")
        if mode & (stat.S_IRWXO | stat.S_IWGRP):
            raise SecretRefused(f"The secret file {file} is open to others: run chmod 600 {file}")
        data = os.read(fd, 1 << 16)
    finally:
        os.close(fd)
    try:
        return _long_enough(data.decode().strip(), f"The secret file {file}")
    except UnicodeDecodeError:
        raise SecretRefused(f"The secret file {file} is not text") from None


def _create(file: Path) -> None:
    # Written under another name and linked: whoever reads sees nothing or all of it, and of two
    # processes that start together one wins.
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "w") as opened:
            opened.write(secrets.token_urlsafe(48) + "\n")
            opened.flush()
            os.fsync(fd)
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)


def _long_enough(secret: str, what: str) -> str:
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise SecretRefused(f"{what} is shorter than {MIN_SECRET_BYTES} bytes")
    return secret
