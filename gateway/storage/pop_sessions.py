"""Statements on capture sessions: each decision is one of them, so two gateways never take the same."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, delete, insert, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.tables import accounts, pop_bodies, pop_sessions

ACTIVE, COMPLETE, FAILED = "active", "complete", "failed"
BEST, ANSWER = "best", "answer"
MAX_FRAMES_EXCEEDED = "max_frames_exceeded"
MAX_CONSECUTIVE_FAILURES_EXCEEDED = "max_consecutive_failures_exceeded"
SESSION_TIMEOUT = "session_timeout"


class SessionRow(NamedTuple):
    """A session; the columns of these names."""

    id: str
    state: str
    failure: str | None
    frames: int
    good_frames: int
    consecutive_failures: int
    patient_sha256: str | None
    corners: str | None
    best_frame: int | None
    best_spread: float | None
    best_result_code: int | None
    best_vhs: float | None
    best_vlas: float | None
    frame_token: str | None
    frame_until: datetime | None
    expires_at: datetime


class Limits(NamedTuple):
    """When a session ends."""

    good_frames: int
    frames: int
    consecutive_failures: int


class Measured(NamedTuple):
    """What a frame gave."""

    result_code: int
    vhs: float | None
    vlas: float | None
    spread: float | None
    is_good: bool
    has_landmarks: bool
    corners: str | None


_COLUMNS = tuple(pop_sessions.c[name] for name in SessionRow._fields)
_t = pop_sessions.c


async def add(
    connection: AsyncConnection, session_id: str, account_id: str, *, expires_at: datetime, erase_at: datetime
) -> None:
    """Begin a session."""
    values = {"id": session_id, "account_id": account_id, "state": ACTIVE}
    times = {"expires_at": expires_at, "erase_at": erase_at}
    await connection.execute(insert(pop_sessions).values(**values, **times))


async def open_until(connection: AsyncConnection, account_id: str, *, now: datetime) -> list[datetime]:
    """Tell when each open session of an account ends at the latest, the first to end first.

    Until the transaction ends nobody else asks this of the account: what is added then is counted.
    """
    # Not as strong as FOR UPDATE: rows that refer to the account can be written meanwhile.
    await connection.execute(
        select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True)
    )
    statement = (
        select(_t.expires_at)
        .where(_t.account_id == account_id, _t.state == ACTIVE, _t.expires_at > now)
        .order_by(_t.expires_at)
    )
    return list(await connection.scalars(statement))


async def find(
    connection: AsyncConnection, session_id: str, account_id: str, *, now: datetime
) -> SessionRow | None:
    """Read an account's session; None where it has none of this id, or it is to be erased."""
    statement = select(*_COLUMNS).where(
        _t.id == session_id, _t.account_id == account_id, or_(_t.erase_at > now, _holds_frame(now))
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else SessionRow(*row)


async def get(connection: AsyncConnection, session_id: str) -> SessionRow | None:
    """Read a session, whoever's it is."""
    row = (await connection.execute(select(*_COLUMNS).where(_t.id == session_id))).first()
    return None if row is None else SessionRow(*row)


async def begin_frame(
    connection: AsyncConnection,
    session_id: str,
    account_id: str,
    *,
    token: str,
    patient_sha256: str | None,
    now: datetime,
    until: datetime,
) -> SessionRow | None:
    """Take the session for a frame; None where another has it, it has ended, or is another patient's."""
    may = [
        _t.id == session_id,
        _t.account_id == account_id,
        _t.state == ACTIVE,
        _t.expires_at > now,
        ~_holds_frame(now),
    ]
    if patient_sha256 is not None:
        may.append(or_(_t.patient_sha256.is_(None), _t.patient_sha256 == patient_sha256))
    return await _change(connection, and_(*may), {"frame_token": token, "frame_until": until})


async def give_back(connection: AsyncConnection, session_id: str, token: str) -> None:
    """Let the next frame begin without having counted this one."""
    await _change(connection, _has_frame(session_id, token), {"frame_until": None})


async def count_frame(
    connection: AsyncConnection,
    session_id: str,
    token: str,
    measured: Measured,
    limits: Limits,
    *,
    patient_sha256: str | None,
    erase_at: datetime,
) -> SessionRow | None:
    """Count a frame, and end the session where its limits say so.

    Parameters
    ----------
    patient_sha256
        Becomes the session's, unless it has one.
    erase_at
        When a session that ends by this frame is to be erased.

    Returns
    -------
    The session after it; None where this frame does not hold it any more.
    """
    state, failure = _end(measured, limits)
    changes = {
        "state": state,
        "failure": failure,
        "erase_at": case((state == ACTIVE, _t.erase_at), else_=literal(erase_at, _t.erase_at.type)),
        "frames": _t.frames + 1,
        "good_frames": _t.good_frames + int(measured.is_good),
        "consecutive_failures": 0 if measured.has_landmarks else _t.consecutive_failures + 1,
        "corners": measured.corners,
        "frame_until": None,
        **_best(measured),
    }
    if patient_sha256 is not None:
        changes["patient_sha256"] = case(
            (_t.patient_sha256.is_(None), patient_sha256), else_=_t.patient_sha256
        )
    return await _change(connection, _has_frame(session_id, token), changes)


async def expire(
    connection: AsyncConnection, session_id: str, *, now: datetime, erase_at: datetime
) -> SessionRow | None:
    """Fail a session whose time is over, unless a frame that came in time is in work."""
    is_over = and_(_t.id == session_id, _t.state == ACTIVE, _t.expires_at <= now, ~_holds_frame(now))
    changes = {"state": FAILED, "failure": SESSION_TIMEOUT, "erase_at": erase_at, "frame_until": None}
    return await _change(connection, is_over, changes)


async def put_best(connection: AsyncConnection, session_id: str, body: bytes) -> None:
    """Keep what the best frame gave, in place of the best one before."""
    statement = (
        _insert(connection)(pop_bodies)
        .values(session_id=session_id, kind=BEST, body=body)
        .on_conflict_do_update(index_elements=["session_id", "kind"], set_={"body": body})
    )
    await connection.execute(statement)


async def put_answer(connection: AsyncConnection, session_id: str, body: bytes) -> None:
    """Keep a session's last answer, if there is none; the best frame is in it, and goes."""
    statement = (
        _insert(connection)(pop_bodies)
        .values(session_id=session_id, kind=ANSWER, body=body)
        .on_conflict_do_nothing(index_elements=["session_id", "kind"])
    )
    await connection.execute(statement)
    await connection.execute(
        delete(pop_bodies).where(pop_bodies.c.session_id == session_id, pop_bodies.c.kind == BEST)
    )


async def body(connection: AsyncConnection, session_id: str, kind: str) -> bytes | None:
    """Read what is kept."""
    statement = select(pop_bodies.c.body).where(
        pop_bodies.c.session_id == session_id, pop_bodies.c.kind == kind
    )
    found: bytes | None = await connection.scalar(statement)
    return found


async def erase(connection: AsyncConnection, now: datetime) -> int:
    """Delete sessions whose time to be asked after is over; gives how many."""
    result = await connection.execute(delete(pop_sessions).where(_t.erase_at <= now, ~_holds_frame(now)))
    return result.rowcount


def _holds_frame(now: datetime) -> ColumnElement[bool]:
    """Tell whether a frame is in work; never NULL, so that it can be negated."""
    return and_(_t.frame_until.is_not(None), _t.frame_until > now)


def _has_frame(session_id: str, token: str) -> ColumnElement[bool]:
    return and_(_t.id == session_id, _t.state == ACTIVE, _t.frame_token == token, _t.frame_until.is_not(None))


def _end(measured: Measured, limits: Limits) -> tuple[Any, Any]:
    """Give the columns `state` and `failure` after a frame; the first limit that is met counts."""
    is_complete = _t.good_frames + int(measured.is_good) >= limits.good_frames
    is_last = _t.frames + 1 >= limits.frames
    failed_often = literal(not measured.has_landmarks) & (
        _t.consecutive_failures + 1 >= limits.consecutive_failures
    )
    state = case((is_complete, COMPLETE), (or_(is_last, failed_often), FAILED), else_=ACTIVE)
    failure = case(
        (is_complete, None),
        (is_last, MAX_FRAMES_EXCEEDED),
        (failed_often, MAX_CONSECUTIVE_FAILURES_EXCEEDED),
        else_=None,
    )
    return state, failure


def _best(measured: Measured) -> dict[str, Any]:
    """Give what becomes of the best frame's columns: the lowest spread, of several the first."""
    if not measured.is_good:
        return {}
    spread = measured.spread or 0.0
    is_best = or_(_t.best_spread.is_(None), _t.best_spread > spread)
    new = {
        "best_frame": _t.frames,
        "best_spread": spread,
        "best_result_code": measured.result_code,
        "best_vhs": measured.vhs,
        "best_vlas": measured.vlas,
    }
    return {name: case((is_best, value), else_=_t[name]) for name, value in new.items()}


async def _change(
    connection: AsyncConnection, where: ColumnElement[bool], changes: dict[str, Any]
) -> SessionRow | None:
    statement = update(pop_sessions).where(where).values(**changes).returning(*_COLUMNS)
    row = (await connection.execute(statement)).first()
    return None if row is None else SessionRow(*row)


def _insert(connection: AsyncConnection) -> Any:
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
