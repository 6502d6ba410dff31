"""What an API key looks like: `rad_live_<id>_<secret>_<checksum>`.

The id may be shown, the secret is 32 random bytes, and the checksum lets a typing error be refused
without asking the database, and a scanner tell a leaked key from other text.
"""

import hashlib
import re
import secrets
import zlib
from typing import NamedTuple

PREFIX = "rad_live_"
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ID_CHARACTERS = 8
_KEY = re.compile(r"(rad_live_([a-z2-7]{8})_[A-Za-z0-9_-]{43})_([0-9a-f]{8})", re.ASCII)


class NewKey(NamedTuple):
    """A key, to be shown once, and what is kept of it."""

    raw: str
    key_id: str
    sha256: str


def new_key() -> NewKey:
    """Make a key."""
    key_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_CHARACTERS))
    body = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
    raw = f"{body}_{_checksum(body)}"
    return NewKey(raw, key_id, digest(raw))


def is_well_formed(raw: str) -> bool:
    """Whether this may be a key: right in shape and checksum."""
    match = _KEY.fullmatch(raw)
    return match is not None and _checksum(match[1]) == match[3]


def digest(raw: str) -> str:
    """Give the SHA-256 of a key, in hex: enough for 256 random bits, and quick to look up."""
    return hashlib.sha256(raw.encode()).hexdigest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
