"""Statements on capture sessions, on both databases: each gives a session to one of many, or to none."""

import asyncio
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from gateway.storage import pop_sessions
from gateway.storage.pop_sessions import Limits, Measured
from gateway.storage.transactions import inquire, transact

NOW = datetime(2026, 5, 17, 12, 0, tzinfo=timezone.utc)
LATER = NOW + timedelta(seconds=60)
END, ERASE = NOW + timedelta(seconds=300), NOW + timedelta(seconds=900)
LIMITS = Limits(good_frames=3, frames=20, consecutive_failures=5)
GOOD = Measured(1, 10.5, 2.0, 0.003, is_good=True, has_landmarks=True, corners="[]")
BLIND = Measured(5, None, None, None, is_good=False, has_landmarks=False, corners=None)


@pytest.fixture
async def write(database):
    """Run a statement in a transaction; an account and its active session `s` are there."""

    async def write(work):
        return await transact(database, work, timeout_seconds=30)

    await write(
        lambda c: c.execute(text("INSERT INTO accounts VALUES ('a', 'a', 'paygo', false, NULL, NULL, 0)"))
    )
    await write(lambda c: pop_sessions.add(c, "s", "a", expires_at=END, erase_at=ERASE))
    return write


@pytest.fixture
def begin(write):
    async def begin(token="t", patient=None, now=NOW, account="a"):
        return await write(
            lambda c: pop_sessions.begin_frame(
                c,
                "s",
                account,
                token=token,
                patient_sha256=patient,
                now=now,
                until=now + timedelta(seconds=60),
            )
        )

    return begin


@pytest.fixture
def count(write):
    async def count(measured, token="t", patient=None):
        return await write(
            lambda c: pop_sessions.count_frame(
                c, "s", token, measured, LIMITS, patient_sha256=patient, erase_at=ERASE
            )
        )

    return count


async def test_one_of_many_gets_a_session(begin):
    got = await asyncio.gather(*(begin(str(number)) for number in range(8)))
    (one,) = [row for row in got if row is not None]
    assert one.frame_until == LATER


async def test_a_place_is_free_once_its_time_is_over(begin, count):
    assert await begin("first")
    assert await begin("second", now=LATER - timedelta(milliseconds=1)) is None
    assert await begin("second", now=LATER)
    assert await count(GOOD, "first") is None
    assert (await count(GOOD, "second")).frames == 1


@pytest.mark.parametrize("options", [{"now": END}, {"account": "b"}])
async def test_nobody_gets_what_is_over_or_another_account_s(begin, options):
    assert await begin(**options) is None


async def test_a_frame_is_counted_once(begin, count):
    await begin()
    counted = await asyncio.gather(*(count(GOOD) for _ in range(4)))
    assert sum(row is not None for row in counted) == 1


async def test_the_first_limit_that_is_met_ends_a_session(begin, count, write):
    states = []
    for _ in range(5):
        await begin()
        row = await count(BLIND)
        states.append((row.state, row.failure, row.consecutive_failures))
    assert states[3] == ("active", None, 4)
    assert states[4] == ("failed", "max_consecutive_failures_exceeded", 5)
    assert await begin() is None


async def test_the_best_of_the_good_frames_is_remembered(begin, count):
    for spread, best in ((0.003, 0), (0.003, 0), (0.002, 2)):
        await begin()
        row = await count(GOOD._replace(spread=spread, vhs=10 + spread))
        assert (row.best_frame, row.best_spread) == (best, spread if best else 0.003)
    assert (row.state, row.best_vhs, row.good_frames) == ("complete", 10.002, 3)


async def test_the_first_patient_is_the_session_s(begin, count):
    await begin()
    assert (await count(GOOD)).patient_sha256 is None
    await begin(patient="rex")
    assert (await count(GOOD, patient="rex")).patient_sha256 == "rex"
    assert await begin(patient="max") is None
    await begin()
    assert (await count(GOOD._replace(is_good=False))).patient_sha256 == "rex"


async def test_a_session_expires_once_and_not_while_a_frame_is_in_work(begin, write):
    async def expire(now):
        return await write(lambda c: pop_sessions.expire(c, "s", now=now, erase_at=ERASE))

    just_before = END - timedelta(seconds=1)
    assert await expire(just_before) is None
    await begin(now=just_before)
    assert await expire(END) is None
    gone = await asyncio.gather(*(expire(just_before + timedelta(seconds=60)) for _ in range(4)))
    assert [row.failure for row in gone if row] == ["session_timeout"]


async def test_the_first_answer_stays_and_the_best_frame_goes(write, database):
    for body in (b"worse", b"better"):
        await write(lambda c, body=body: pop_sessions.put_best(c, "s", body))
    assert (
        await inquire(database, lambda c: pop_sessions.body(c, "s", "best"), timeout_seconds=9) == b"better"
    )
    for body in (b"first", b"second"):
        await write(lambda c, body=body: pop_sessions.put_answer(c, "s", body))
    assert (
        await inquire(database, lambda c: pop_sessions.body(c, "s", "answer"), timeout_seconds=9) == b"first"
    )
    assert await inquire(database, lambda c: pop_sessions.body(c, "s", "best"), timeout_seconds=9) is None


async def test_a_session_is_erased_with_what_it_kept(begin, write, database):
    await write(lambda c: pop_sessions.put_best(c, "s", b"picture"))
    assert await write(lambda c: pop_sessions.erase(c, ERASE - timedelta(milliseconds=1))) == 0
    assert await write(lambda c: pop_sessions.erase(c, ERASE)) == 1
    assert await inquire(database, lambda c: pop_sessions.body(c, "s", "best"), timeout_seconds=9) is None
