"""Turns at a model: bounded, by priority, then by age; deadlines are kept."""

import asyncio

import pytest

from gateway.errors import InferenceTimeout
from gateway.triton import admission as admission_module
from gateway.triton.admission import BULK, INTERACTIVE, Admission, Admissions


async def hold(admission: Admission, log: list[str], name: str, release: asyncio.Event, **turn) -> None:
    async with admission.turn(**turn):
        log.append(name)
        await release.wait()


async def test_lets_no_more_in_than_allowed():
    admission, log, release = Admission("m", in_flight=2), [], asyncio.Event()
    tasks = [asyncio.create_task(hold(admission, log, str(i), release)) for i in range(5)]
    await asyncio.sleep(0.01)
    assert log == ["0", "1"]
    release.set()
    await asyncio.gather(*tasks)
    assert log == ["0", "1", "2", "3", "4"]


async def test_interactive_overtakes_bulk_and_age_decides_among_equals():
    admission, log, release = Admission("m", in_flight=1), [], asyncio.Event()
    tasks = []
    for name, priority in [("first", BULK), ("bulk", BULK), ("late", INTERACTIVE), ("later", INTERACTIVE)]:
        tasks.append(asyncio.create_task(hold(admission, log, name, release, priority=priority)))
        await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*tasks)
    assert log == ["first", "late", "later", "bulk"]


async def test_a_turn_that_comes_too_late_is_refused_and_passed_on():
    admission, log, release = Admission("m", in_flight=1), [], asyncio.Event()
    holder = asyncio.create_task(hold(admission, log, "holder", release))
    await asyncio.sleep(0)
    with pytest.raises(InferenceTimeout):
        async with admission.turn(timeout_seconds=0.01):
            pytest.fail("the place was taken")
    release.set()
    await holder
    async with admission.turn(timeout_seconds=0.5) as left:
        assert 0 < left <= 0.5


async def test_a_caller_who_leaves_the_queue_takes_no_place_with_him():
    admission, log, release = Admission("m", in_flight=1), [], asyncio.Event()
    holder = asyncio.create_task(hold(admission, log, "holder", release))
    await asyncio.sleep(0)
    leaver = asyncio.create_task(hold(admission, log, "leaver", release))
    await asyncio.sleep(0)
    release.set()
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.gather(holder, leaver, return_exceptions=True)
    async with admission.turn(timeout_seconds=0.2):
        pass
    async with admission.turn(timeout_seconds=0.2):
        pass


async def test_a_failed_holder_gives_his_place_back():
    admission = Admission("m", in_flight=1)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with admission.turn(timeout_seconds=0.2):
                raise RuntimeError


async def test_work_in_the_background_keeps_one_place_while_callers_come(monkeypatch):
    monkeypatch.setattr(admission_module, "CALM_SECONDS", 0.05)
    admission, log, release = Admission("m", in_flight=4), [], asyncio.Event()
    caller = asyncio.create_task(hold(admission, log, "caller", release))
    await asyncio.sleep(0)
    go_on = asyncio.Event()
    tasks = [asyncio.create_task(hold(admission, log, f"bulk {i}", go_on, priority=BULK)) for i in range(5)]
    await asyncio.sleep(0.01)
    assert log == ["caller", "bulk 0"]
    release.set()
    await caller
    assert log == ["caller", "bulk 0"]
    await asyncio.sleep(0.1)
    assert log == ["caller", "bulk 0", "bulk 1", "bulk 2"]
    async with admission.turn(timeout_seconds=0.1):
        pass
    go_on.set()
    await asyncio.gather(*tasks)


async def test_a_model_has_one_turnstile_for_all_who_ask():
    admissions = Admissions()
    ours = admissions.of("m", in_flight=1)
    assert admissions.of("m", in_flight=9) is ours
    assert ours.in_flight == 1
    assert admissions.of("other", in_flight=9).in_flight == 9
