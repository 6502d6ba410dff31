"""What the ledger is told, and what it answers."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from gateway.accounts.pricing import CallType, Tier

Reason = Literal["valid_vhs", "no_valid_vhs", "recheck_24h", "billing_error"]


@dataclass(frozen=True)
class Caller:
    """Who calls: an account's id, and the id of the key that was shown."""

    account: str
    key_id: str


@dataclass(frozen=True)
class Billing:
    """What became of a call; `rate_cents` is None unless it was charged."""

    billable: bool
    reason: Reason
    call_type: CallType
    monthly_usage: int
    tier: Tier
    rate_cents: int | None


@dataclass(frozen=True)
class Idempotency:
    """A call that a caller may repeat; `answer` renders the body that a repetition gets."""

    route: str
    key: str
    body_sha256: str
    answer: Callable[[Billing], bytes]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A call that came to its end, before it is known what it costs.

    Parameters
    ----------
    event_id
        What makes the call one event, however often it is settled: see `new_event_id` and
        `event_id_of`; `pop:<session id>` for a session of photos.
    valid_vhs
        Whether there is a valid measurement, `vhs` and perhaps `vlas`: only then a call may cost.
    uuid
        The caller's name for the patient; None or empty for none.
    patient_sha256
        `patient_digest` of the patient, where the name itself is no longer known.
    """

    event_id: str
    caller: Caller
    endpoint: str
    call_type: CallType
    result_code: int | None
    valid_vhs: bool
    uuid: str | None
    vhs: float | None
    vlas: float | None
    model_version: str
    request_id: str
    idempotency: Idempotency | None = None
    patient_sha256: str | None = None

    @property
    def patient(self) -> str | None:
        """The patient as what is stored names it."""
        return self.patient_sha256 or patient_digest(self.caller, self.uuid)


class Measurement(NamedTuple):
    """One entry of a patient's history; `at` is aware, in UTC."""

    at: datetime
    vhs: float
    vlas: float | None

    @property
    def date(self) -> str:
        """Give the day in UTC, as YYYY-MM-DD."""
        return f"{self.at:%Y-%m-%d}"


class UsageLine(NamedTuple):
    """Events of one kind in a period; `reason` is `void` for corrections, whose cents are negative."""

    call_type: str
    reason: str
    events: int
    cents: int


@dataclass(frozen=True)
class Usage:
    """What an account used in a period: `monthly_usage` are charged calls that were not taken back."""

    account: str
    name: str
    period: str
    tier: Tier
    monthly_usage: int
    cents: int
    lines: tuple[UsageLine, ...]


def new_event_id() -> str:
    """Name a call that nobody can repeat."""
    return secrets.token_hex(16)


def event_id_of(caller: Caller, route: str, key: str, body_sha256: str) -> str:
    """Name a call by its idempotency key, so that its repetitions are the same event for ever.

    The body counts: a key is kept for a day, and used for another body later it is another call.
    """
    return _digest(caller.account, route, body_sha256, key)


def patient_digest(caller: Caller, uuid: str | None) -> str | None:
    """Name a patient in what is stored; None for none."""
    return _digest(caller.account, uuid) if uuid else None


def _digest(*parts: str) -> str:
    # JSON strings and headers may hold lone surrogates.
    return hashlib.sha256("|".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
