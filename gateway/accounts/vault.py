"""Peers' addresses and credentials at rest: encrypted with AES-GCM, each for its own job."""

import hashlib
import hmac
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import GatewayError

_NONCE_BYTES = 12


class Unreadable(GatewayError):
    """The credentials were encrypted with another secret."""

    code = "credentials_unreadable"


class Vault:
    """Seals what must not be read in the database, and tells equal things apart without keeping them.

    Parameters
    ----------
    secret
        Shared by all gateways of one database.
    """

    def __init__(self, secret: str) -> None:
        self._cipher = AESGCM(_derived(secret, b"radgate inference requests: encryption"))
        self._fingerprint_key = _derived(secret, b"radgate inference requests: fingerprint")

    def seal(self, value: Any, *, job_id: str) -> bytes:
        """Encrypt JSON for one job."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, json.dumps(value).encode(), job_id.encode())

    def open(self, sealed: bytes | None, *, job_id: str) -> Any:
        """Decrypt what was sealed for this job.

        Raises
        ------
        Unreadable
        """
        data = sealed or b""
        try:
            return json.loads(self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], job_id.encode()))
        except (InvalidTag, ValueError):
            raise Unreadable("The credentials of this request cannot be read with this secret") from None

    def fingerprint(self, value: Any) -> str:
        """Give what is equal for equal JSON, and tells nothing else about it."""
        text = json.dumps(value, sort_keys=True).encode()
        return hmac.new(self._fingerprint_key, text, hashlib.sha256).hexdigest()


def _derived(secret: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
