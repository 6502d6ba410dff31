"""JSON Web Tokens: issued once per site, verified on every request."""

import logging
import math
import re
import string
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from gateway.accounts.secrets import MIN_SECRET_BYTES, SecretRefused
from gateway.errors import Unauthenticated

logger = logging.getLogger(__name__)

ISSUER = "radgate"
_ALGORITHM = "HS256"
_DAY_SECONDS = 86_400
_LEEWAY_SECONDS = 30
_MAX_TOKEN_CHARACTERS = 8192  # as long as aiohttp lets a header line be
_BEARER = re.compile(r"bearer(\s+|$)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Claims:
    """What a verified token says; times are POSIX seconds."""

    subject: str
    expires_at: float
    valid_from: float | None
    token_id: str | None


def issue(
    subject: str,
    *,
    secret: str,
    days: float = 30,
    now: float | None = None,
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
) -> str:
    """Sign a token for a site.

    Raises
    ------
    SecretRefused
        The secret is too short, or is another kind of key.
    """
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise SecretRefused(f"The secret is shorter than {MIN_SECRET_BYTES} bytes")
    issued_at = int(time.time() if now is None else now)
    claims = {
        "sub": subject,
        "iss": ISSUER,
        "iat": issued_at,
        "exp": issued_at + int(days * _DAY_SECONDS),
        "jti": new_id(),
    }
    try:
        return jwt.encode(claims, secret, algorithm=_ALGORITHM)
    except jwt.InvalidKeyError as error:
        raise SecretRefused("The secret is an asymmetric key; HS256 needs a shared one") from error


class TokenVerifier:
    """Verify tokens against one secret, or two while one replaces the other.

    A token may come from another issuer that shares the secret: only `exp` is required of it.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        denied_jti_file: Path | None = None,
        *,
        leeway_seconds: float = _LEEWAY_SECONDS,
    ) -> None:
        if isinstance(secrets, str) or not 1 <= len(secrets) <= 2:
            raise ValueError("One secret is needed, or two during a rotation")
        for secret in secrets:
            issue("check", secret=secret)  # refuses what could not sign
        self._secrets = tuple(secrets)
        self._denied = _DeniedIds(denied_jti_file) if denied_jti_file else None
        self._leeway_seconds = leeway_seconds

    def verify(self, authorization_header: str | None, *, now: float | None = None) -> Claims:
        """Give the claims of the token in an Authorization header, raw or after `Bearer`.

        Raises
        ------
        Unauthenticated
            "Token missing", "Token expired" or "Invalid token"; expired only if all else is right.
        """
        token = _BEARER.sub("", (authorization_header or "").strip(string.whitespace), count=1)
        if not token:
            raise Unauthenticated("Token missing")
        if len(token) > _MAX_TOKEN_CHARACTERS or not token.isascii():
            raise Unauthenticated("Invalid token")
        claims = _claims(self._payload(token))
        if self._denied and claims.token_id in self._denied.current():
            raise Unauthenticated("Invalid token")
        now = time.time() if now is None else now
        if claims.valid_from is not None and claims.valid_from > now + self._leeway_seconds:
            raise Unauthenticated("Invalid token")
        if claims.expires_at <= now - self._leeway_seconds:
            raise Unauthenticated("Token expired")
        return claims

    def _payload(self, token: str) -> dict[str, Any]:
        for secret in self._secrets:
            try:
                return jwt.decode(
                    token,
                    secret,
                    algorithms=[_ALGORITHM],
                    # PyJWT has its own clock; ours is an argument, so the times are compared above.
                    options={
                        "require": ["exp"],
                        "verify_exp": False,
                        "verify_iat": False,
                        "verify_nbf": False,
                        "enforce_minimum_key_length": True,
                    },
                )
            except jwt.PyJWTError:
                continue
        raise Unauthenticated("Invalid token")


def _claims(payload: dict[str, Any]) -> Claims:
    # A token counts neither before it was issued (iat) nor before its nbf.
    begins = [_seconds(payload[name]) for name in ("iat", "nbf") if payload.get(name) is not None]
    return Claims(
        subject=payload.get("sub") or "",
        expires_at=_seconds(payload["exp"]),
        valid_from=max(begins, default=None),
        token_id=payload.get("jti"),
    )


def _seconds(value: object) -> float:
    """Read a NumericDate; JSON as Python reads it also has NaN, Infinity and endless integers."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass
    raise Unauthenticated("Invalid token")


class _DeniedIds:
    """The jti values in a file, one per line, read again when the file changes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._state: tuple[object, frozenset[str]] = (None, frozenset())

    def current(self) -> frozenset[str]:
        """Give the denied ids; when the file cannot be read the last known ones, so none is let in anew."""
        seen, denied = self._state
        try:
            status = self._file.stat()
            version = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
            if version == seen:
                return denied
            text = self._file.read_text("utf-8-sig", errors="replace")
        except FileNotFoundError:
            return denied
        except OSError as error:
            logger.warning("The list of denied tokens cannot be read: %s", error.strerror)
            return denied
        denied = frozenset(line.strip() for line in text.splitlines() if line.strip())
        # Timestamps advance in steps of milliseconds: a file this young may still change unseen.
        settled = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > 1_000_000_000
        self._state = (version if settled else None, denied)
        return denied
