"""Answers to callers that send an Idempotency-Key: the same call gets the same bytes for a day."""

import hashlib
from datetime import datetime, timedelta

from gateway.accounts.billing import Billing, Caller, Idempotency
from gateway.errors import Conflict, UnprocessableRequest
from gateway.storage import idempotency
from gateway.storage.idempotency import KeptRow, Place
from gateway.storage.transactions import Connection

KEPT = timedelta(hours=24)
RESERVED = timedelta(seconds=60)
"""After this, a repetition may begin although the first call has not ended: its process may have been
killed. Should it be at work still, both get the same charge: there is one event."""


def place(caller: Caller, route: str, key: str) -> Place:
    """Say where an answer is kept; of the key only a digest, for its characters are the caller's choice."""
    return Place(caller.account, route, hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest())


async def stored_or_reserved(
    connection: Connection, where: Place, body_sha256: str, *, now: datetime
) -> bytes | None:
    """Give the answer, or None after taking the place for this call.

    Raises
    ------
    UnprocessableRequest
        The key was used with another body.
    Conflict
        The first call with this key is still at work.
    """
    kept = await idempotency.reserve(connection, where, body_sha256, now=now, until=now + RESERVED)
    if kept is None:
        return None
    if kept.body_sha256 != body_sha256:
        raise UnprocessableRequest(
            "Idempotency-Key was used with a different request body", field="Idempotency-Key"
        )
    if kept.response is None:
        raise _still_at_work(kept, now)
    return kept.response


async def keep(
    connection: Connection, caller: Caller, call: Idempotency, billing: Billing, *, now: datetime
) -> None:
    """Keep the answer of a call, in the transaction that charges it."""
    where = place(caller, call.route, call.key)
    answer = call.answer(billing)
    await idempotency.keep(connection, where, call.body_sha256, response=answer, until=now + KEPT)


def _still_at_work(kept: KeptRow, now: datetime) -> Conflict:
    # A call takes seconds, its reservation a minute: asking early is cheap.
    left = (kept.expires_at - now).total_seconds()
    return Conflict(
        "A request with this Idempotency-Key is in progress",
        field="Idempotency-Key",
        retry_after_seconds=max(1, min(5, round(left))),
    )
