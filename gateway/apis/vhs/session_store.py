"""Capture sessions in the database: any gateway may take any frame, one at a time."""

import asyncio
import contextlib
import logging
import math
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

from gateway.errors import Conflict, InferenceTimeout, InvalidRequest, NotFound, RateLimited
from gateway.storage import pop_sessions
from gateway.storage.clock import read_clock
from gateway.storage.engine import Database
from gateway.storage.pop_sessions import ACTIVE, ANSWER, BEST, Limits, Measured, SessionRow
from gateway.storage.transactions import Connection, TransactionFailed, inquire, transact

logger = logging.getLogger(__name__)

T = TypeVar("T")
Clock = Callable[[Connection], Awaitable[datetime]]

LIMITS = Limits(good_frames=3, frames=20, consecutive_failures=5)
TTL = timedelta(seconds=300)
"""From a session's start; a frame that came in time may end later."""
KEPT = timedelta(minutes=10)
"""How long a session that has ended still answers."""
FRAME = timedelta(seconds=60)
"""How long a frame may be in work; after that its process has died, or the frame is given up."""
TIMEOUT_SECONDS = 20.0
TIDY_SECONDS = 60.0

IN_WORK = "A frame of this session is in progress"
TOO_MANY = "Too many open sessions"
OTHER_PATIENT = "uuid must stay the same within a session"


class SessionNotFound(NotFound):
    """There is no such session, or it is another account's."""

    def __init__(self, session_id: str) -> None:
        super().__init__("session_not_found", field="session_id")
        self.session_id = session_id


class Place(NamedTuple):
    """A session that a frame has asked for, and whether the frame has it: else the session has ended."""

    session: SessionRow
    token: str | None


class SessionStore:
    """The sessions of all accounts.

    Parameters
    ----------
    database
        Shared with other gateways, where it is PostgreSQL.
    clock
        Gives the time within a transaction: the database's, unless a test turns it.
    most_open
        Sessions of one account at a time; 0 for any number.
    """

    def __init__(self, database: Database, *, clock: Clock = read_clock, most_open: int = 0) -> None:
        self._database = database
        self._clock = clock
        self._most_open = most_open

    async def start(self, account: str) -> str:
        """Begin a session; gives its id.

        Raises
        ------
        RateLimited
            The account has as many open as it may; it says when the first of them ends by itself.
        """

        async def start(connection: Connection) -> str:
            session_id = secrets.token_hex(8)
            now = await self._clock(connection)
            if self._most_open:
                ends = await pop_sessions.open_until(connection, account, now=now)
                if len(ends) >= self._most_open:
                    seconds = math.ceil((ends[0] - now).total_seconds())
                    raise RateLimited(TOO_MANY, retry_after_seconds=max(seconds, 1))
            expires_at = now + TTL
            times = {"expires_at": expires_at, "erase_at": expires_at + KEPT}
            await pop_sessions.add(connection, session_id, account, **times)
            return session_id

        return await self._transact(start)

    async def begin_frame(self, account: str, session_id: str, patient_sha256: str | None) -> Place:
        """Take a session for one frame.

        Raises
        ------
        SessionNotFound
            The account has no such session.
        Conflict
            Another frame has it.
        InvalidRequest
            It is of another patient.
        """
        if not (session_id.isascii() and session_id.isprintable()):
            raise SessionNotFound(session_id)  # none is named so, and PostgreSQL would not take it
        token = secrets.token_hex(16)

        async def begin(connection: Connection) -> Place:
            now = await self._clock(connection)
            row = await pop_sessions.begin_frame(
                connection,
                session_id,
                account,
                token=token,
                patient_sha256=patient_sha256,
                now=now,
                until=now + FRAME,
            ) or await pop_sessions.find(connection, session_id, account, now=now)
            if row is None:
                raise SessionNotFound(session_id)
            if row.state != ACTIVE:
                return Place(row, None)
            if row.frame_token == token:
                return Place(row, token)
            return Place(await self._refused(connection, row, patient_sha256, now), None)

        return await self._transact(begin)

    async def _refused(
        self, connection: Connection, row: SessionRow, patient_sha256: str | None, now: datetime
    ) -> SessionRow:
        """Say why an active session was not to be had; give it where its time was over, and is now."""
        is_held = row.frame_until is not None and row.frame_until > now
        if not is_held and row.expires_at <= now:
            ended = await pop_sessions.expire(connection, row.id, now=now, erase_at=now + KEPT)
            if ended is not None:
                return ended
        elif not is_held and patient_sha256 not in (None, row.patient_sha256):
            raise InvalidRequest(OTHER_PATIENT, field="uuid")
        raise Conflict(IN_WORK, field="session_id", retry_after_seconds=1)

    async def count_frame(
        self, place: Place, measured: Measured, *, patient_sha256: str | None, best: bytes | None
    ) -> SessionRow:
        """Count a frame; gives the session after it.

        Parameters
        ----------
        best
            What is kept of the frame, should it be the best one so far.

        Raises
        ------
        InferenceTimeout
            The frame took so long that it has lost the session.
        """
        before, token = place.session, place.token or ""

        async def count(connection: Connection) -> SessionRow:
            row = await pop_sessions.count_frame(
                connection,
                before.id,
                token,
                measured,
                LIMITS,
                patient_sha256=patient_sha256,
                erase_at=await self._clock(connection) + KEPT,
            )
            if row is None:
                return await self._counted_before(connection, before.id, token)
            if best is not None and row.best_frame == row.frames - 1:
                await pop_sessions.put_best(connection, row.id, best)
            return row

        return await self._transact(count)

    async def _counted_before(self, connection: Connection, session_id: str, token: str) -> SessionRow:
        """Look whether an earlier try of this transaction was committed, and only its end not seen."""
        row = await pop_sessions.get(connection, session_id)
        if row is None or row.frame_token != token:
            raise InferenceTimeout("the frame took too long")
        return row

    async def give_back(self, place: Place) -> None:
        """Let the next frame begin without having counted this one."""
        session_id, token = place.session.id, place.token or ""
        with contextlib.suppress(TransactionFailed):  # the place becomes free by itself
            await self._transact(lambda c: pop_sessions.give_back(c, session_id, token))

    async def best(self, session: SessionRow) -> bytes | None:
        """Give what was kept of the best frame; None once the answer is there."""
        return await self._inquire(lambda c: pop_sessions.body(c, session.id, BEST))

    async def answer(self, session: SessionRow) -> bytes | None:
        """Give the last answer of a session that has ended; None where it has not been given yet."""
        return await self._inquire(lambda c: pop_sessions.body(c, session.id, ANSWER))

    async def keep_answer(self, session: SessionRow, body: bytes) -> bytes:
        """Keep the last answer, and give the one that is kept: the first."""

        async def keep(connection: Connection) -> bytes:
            await pop_sessions.put_answer(connection, session.id, body)
            return await pop_sessions.body(connection, session.id, ANSWER) or body

        try:
            return await self._transact(keep)
        except TransactionFailed as failure:
            # It can be put together again, but for the words on a ledger that failed.
            logger.error("the answer of session %s is not kept: %s", session.id, failure)
            return body

    async def tidy(self) -> None:
        """Erase what has had its time."""

        async def erase(connection: Connection) -> int:
            return await pop_sessions.erase(connection, await self._clock(connection))

        with contextlib.suppress(TransactionFailed):
            await self._transact(erase)

    async def run(self) -> None:
        """Tidy up every minute; cancel it to stop."""
        while True:
            await self.tidy()
            await asyncio.sleep(TIDY_SECONDS)

    async def _transact(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        return await transact(self._database, work, timeout_seconds=TIMEOUT_SECONDS)

    async def _inquire(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        return await inquire(self._database, work, timeout_seconds=TIMEOUT_SECONDS)
