"""The ledger: every call that came to its end is one event, charged once or not at all.

One transaction takes an outcome in (`gateway.accounts.entry`). Whatever goes wrong, the caller gets its
result, and what it was told about the charge is what the ledger holds, or will hold once a void order
has reached it. For each account and month `counter.n = count(billable) = max(seq) = count(distinct seq)`,
`counter.voided = count(voids)`, and the month's usage is the difference.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from gateway.accounts import answers, corrections, entry
from gateway.accounts.billing import (
    Billing,
    Caller,
    Idempotency,
    Measurement,
    Outcome,
    Usage,
    event_id_of,
    new_event_id,
    patient_digest,
)
from gateway.accounts.monthly import usage_of
from gateway.accounts.pricing import RateMissing
from gateway.accounts.voids import VoidOrder, VoidSpool
from gateway.errors import DatabaseUnavailable
from gateway.storage import idempotency, measurements
from gateway.storage.clock import read_clock
from gateway.storage.engine import Database
from gateway.storage.transactions import Connection, TransactionFailed, inquire, transact

__all__ = [
    "Billing",
    "Caller",
    "Idempotency",
    "Ledger",
    "Measurement",
    "Outcome",
    "Usage",
    "event_id_of",
    "new_event_id",
]

logger = logging.getLogger(__name__)
T = TypeVar("T")
Clock = Callable[[Connection], Awaitable[datetime]]

TIMEOUT_SECONDS = 20.0
RETRY_AFTER_SECONDS = 5
TIDY_SECONDS = 60.0
HISTORY_LIMIT = 1000


class Ledger:
    """Settles calls; one for each process.

    Parameters
    ----------
    database
        Shared with other processes, where it is PostgreSQL.
    voids
        Folder for charges that must be taken back, should the database be out of reach.
    clock
        Gives the time within a transaction: the database's, unless a test turns it.
    """

    def __init__(
        self,
        database: Database,
        voids: Path,
        *,
        clock: Clock = read_clock,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._database = database
        self._spool = VoidSpool(voids)
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._last: dict[str, Billing] = {}
        self._at_work: set[asyncio.Task[Billing]] = set()

    async def settle(self, outcome: Outcome) -> Billing:
        """Charge a call, or say why not; the same event again gives what it gave at first.

        A ledger that fails is no error of the call: `billing_error` then, which is not charged, now or
        later. A caller that goes away does not stop it half way.
        """
        work = asyncio.create_task(self._settle(outcome))
        self._at_work.add(work)
        work.add_done_callback(self._at_work.discard)
        return await asyncio.shield(work)

    async def stored_answer(self, caller: Caller, route: str, key: str, body_sha256: str) -> bytes | None:
        """Give the answer to an earlier call with this Idempotency-Key, or None: then this call is the first.

        Ask once the request is known to be valid, and before the work. The place is this call's for a
        minute: `settle` fills it, `release` gives it up.

        Raises
        ------
        UnprocessableRequest
            The key was used with another body.
        Conflict
            The first call is still at work; `retry_after_seconds` says when to ask again.
        """
        await self._carry_out_voids()
        where = answers.place(caller, route, key)

        async def look(connection: Connection) -> bytes | None:
            now = await self._clock(connection)
            return await answers.stored_or_reserved(connection, where, body_sha256, now=now)

        try:
            return await self._transact(look)
        except TransactionFailed as failure:
            # Going on is safe: the event's id keeps a repetition from being charged.
            logger.error("no look at stored answers: %s", failure)
            return None

    async def release(self, caller: Caller, route: str, key: str) -> None:
        """Let a call be repeated at once that came to no answer."""
        where = answers.place(caller, route, key)
        with contextlib.suppress(TransactionFailed):  # the reservation ends by itself
            await self._transact(lambda c: idempotency.forget(c, where, answered=False))

    async def history(
        self, caller: Caller, uuid: str, *, before_event: str | None = None
    ) -> list[Measurement] | None:
        """Give a patient's measurements, oldest first, the latest thousand, but not that of `before_event`.

        None when the database does not answer: that is no error of the call either.
        """
        patient = patient_digest(caller, uuid) or ""
        try:
            rows = await self._inquire(
                lambda c: measurements.of_patient(
                    c, caller.account, patient, except_event=before_event, limit=HISTORY_LIMIT
                )
            )
        except TransactionFailed as failure:
            logger.error("no history: %s", failure)
            return None
        return [Measurement(*row) for row in rows]

    async def usage(self, account: str, period: str | None = None) -> Usage:
        """Sum up what an account used in a month, YYYY-MM in UTC; None for this one.

        Raises
        ------
        DatabaseUnavailable
            The ledger cannot be read at the moment.
        """
        try:
            return await self._inquire(lambda c: self._usage(c, account, period))
        except TransactionFailed as failure:
            logger.error("no usage: %s", failure)
            raise DatabaseUnavailable(
                "usage cannot be read at the moment", retry_after_seconds=RETRY_AFTER_SECONDS
            ) from failure

    async def tidy(self) -> None:
        """Carry out void orders and delete answers that are kept no longer."""
        await self._carry_out_voids()

        async def forget(connection: Connection) -> int:
            return await idempotency.forget_expired(connection, await self._clock(connection))

        with contextlib.suppress(TransactionFailed):
            await self._transact(forget)

    async def run(self) -> None:
        """Tidy up every minute; cancel it to stop."""
        while True:
            await self.tidy()
            await asyncio.sleep(TIDY_SECONDS)

    async def _settle(self, outcome: Outcome) -> Billing:
        await self._carry_out_voids()
        try:
            billing = await self._transact(lambda c: self._book(c, outcome))
        except RateMissing as error:
            logger.error("account %s is not charged: %s", outcome.caller.account, error)
            return await self._settle_uncharged(outcome)
        except TransactionFailed as failure:
            return await self._failed(outcome, failure)
        self._last[outcome.caller.account] = billing
        return billing

    async def _settle_uncharged(self, outcome: Outcome) -> Billing:
        try:
            return await self._transact(lambda c: self._book(c, outcome, may_charge=False))
        except TransactionFailed as failure:
            return await self._failed(outcome, failure)

    async def _book(self, connection: Connection, outcome: Outcome, *, may_charge: bool = True) -> Billing:
        now = await self._clock(connection)
        billing = await entry.known(connection, outcome)
        if billing is None:
            billing = await entry.enter(connection, outcome, now=now, may_charge=may_charge)
        if outcome.idempotency is not None:
            await answers.keep(connection, outcome.caller, outcome.idempotency, billing, now=now)
        return billing

    async def _failed(self, outcome: Outcome, failure: TransactionFailed) -> Billing:
        logger.error("event %s is not charged: %s", outcome.event_id, failure)
        if failure.may_be_committed:
            await self._order_void(outcome)
        last = self._last.get(outcome.caller.account)
        return Billing(
            billable=False,
            reason="billing_error",
            call_type=outcome.call_type,
            monthly_usage=last.monthly_usage if last else 0,
            tier=last.tier if last else "paygo",
            rate_cents=None,
        )

    async def _order_void(self, outcome: Outcome) -> None:
        place = None
        if call := outcome.idempotency:
            _, route, key_sha256 = answers.place(outcome.caller, call.route, call.key)
            place = (route, key_sha256)
        order = VoidOrder(
            event_id=outcome.event_id,
            account=outcome.caller.account,
            key_id=outcome.caller.key_id,
            endpoint=outcome.endpoint,
            call_type=outcome.call_type,
            model_version=outcome.model_version,
            request_id=outcome.request_id,
            idempotency_place=place,
        )
        try:
            await asyncio.to_thread(self._spool.put, order)
        except OSError as error:
            logger.critical("event %s may be charged, which nobody was told: %s", order.event_id, error)

    async def _carry_out_voids(self) -> None:
        """Take back what must not stand, before anything else is said about charges."""
        orders = self._spool.orders()
        # In any order: one that cannot be carried out does not stand before the others for ever.
        for order in random.sample(orders, len(orders)):
            try:
                await self._transact(lambda c, order=order: self._void(c, order))  # type: ignore[misc]
            except TransactionFailed as failure:
                logger.error("event %s is not taken back yet: %s", order.event_id, failure)
                return
            self._spool.done(order)

    async def _void(self, connection: Connection, order: VoidOrder) -> None:
        await corrections.carry_out(connection, order, now=await self._clock(connection))

    async def _usage(self, connection: Connection, account: str, period: str | None) -> Usage:
        month = period or entry.month_of(await self._clock(connection))
        return await usage_of(connection, account, month)

    async def _transact(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        return await transact(self._database, work, timeout_seconds=self._timeout_seconds)

    async def _inquire(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        return await inquire(self._database, work, timeout_seconds=self._timeout_seconds)
