"""Capture sessions: which frame ends one, what is answered, what it costs, and who may take part."""

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from gateway.accounts.keys import ApiKeys
from gateway.apis.vhs.session_store import SessionStore
from gateway.errors import InferenceFailed, InferenceTimeout, ModelUnavailable
from gateway.storage.transactions import TransactionFailed
from tests.apis.screen_callers import GOOD, SHARES, photo
from tests.apis.vhs_callers import (
    NO_RECTIFICATION,
    NOT_MEASURABLE,
    REJECTED,
    RENDERED,
    b64,
    broken_png,
    jpeg,
    png,
)

FRAMES = [photo(level) for level in range(100, 200, 4)]
FRAME = b64(FRAMES[0])
NOT_FOUND = {"session_status": "failed", "error": "session_not_found"}
IN_WORK = {"error": "A frame of this session is in progress"}


@pytest.fixture
def start(post):
    """Start a session; gives its id."""

    async def start():
        status, body = await post("/v3/pop-session/start")
        assert status == 200
        return body["session_id"]

    return start


@pytest.fixture
def send(post):
    """Send a frame to a session; gives the status and the body."""

    async def send(session_id, frame=FRAMES[0], **fields):
        return await post("/v3/pop-session", image=b64(frame), session_id=session_id, **fields)

    return send


@pytest.fixture
def says(pipeline):
    """Say of the frames, in their order, what is measured in them."""

    def say(*assessments):
        pipeline.assessments = dict(zip(FRAMES, assessments, strict=False))

    return say


@pytest.fixture
def events(usage):
    """Give how many events the ledger has, by reason."""

    async def count():
        return {line.reason: line.events for line in (await usage()).lines}

    return count


# Which frame ends a session


async def test_three_good_frames_complete_a_session(start, send, says):
    says(replace(GOOD, spread=0.004), replace(GOOD, spread=0.002), replace(GOOD, spread=0.003))
    session_id = await start()
    for number in (1, 2):
        status, body = await send(session_id, FRAMES[number - 1])
        assert (status, body["session_status"]) == (200, "continue")
        assert body["reason"] == f"{number}/3 good frames so far, need more"
        assert (body["frame_index"], body["frames_processed"], body["good_frames"]) == (
            number - 1,
            number,
            number,
        )
        assert "billing" not in body
    status, body = await send(session_id, FRAMES[2])
    assert (status, body["session_status"], body["frame_index"]) == (200, "complete", 2)
    assert body["billing"] == {
        "billable": True,
        "reason": "valid_vhs",
        "call_type": "session",
        "monthly_usage": 1,
        "tier": "paygo",
        "rate": 4.0,
    }


async def test_the_best_frame_is_answered(start, send, says, post):
    best = replace(GOOD, result_code=2, model_confidence="good", spread=0.001, vhs=10.008)
    says(replace(GOOD, spread=0.004), best, replace(GOOD, spread=0.003))
    session_id = await start()
    for frame in FRAMES[:3]:
        _, body = await send(session_id, frame)
    prediction = body["prediction"]
    assert (prediction["vhs"], prediction["spread"], prediction["result_code"]) == (10.01, 0.001, 2)
    assert prediction["result_description"].endswith("with moderate confidence")
    assert prediction["rendered_image"] == b64(RENDERED)
    _, film = await post("/v3/rectify", image=b64(FRAMES[1]), corners=(await _corners(post, FRAMES[1])))
    assert body["rectified_image"] == film["rectified_image"]


async def _corners(post, frame):
    _, body = await post("/v3/corners", image=b64(frame))
    return body["corners"]


async def test_of_equal_frames_the_first_is_the_best(start, send, says):
    says(*(replace(GOOD, vhs=10.0 + number) for number in range(3)))
    session_id = await start()
    for frame in FRAMES[:3]:
        _, body = await send(session_id, frame)
    assert body["prediction"]["vhs"] == 10.0


@pytest.mark.parametrize(
    ("assessment", "is_good"),
    [
        (GOOD, True),
        (replace(GOOD, result_code=2, model_confidence="good"), True),
        (replace(GOOD, result_code=4, vlas=None), True),
        (replace(GOOD, result_code=3, model_confidence="review"), False),
        (replace(GOOD, axes_perpendicular=False), False),
        (NOT_MEASURABLE, False),
        (NO_RECTIFICATION, False),
        (REJECTED, False),
    ],
)
async def test_which_frames_are_good(start, send, says, assessment, is_good):
    says(assessment)
    _, body = await send(await start())
    assert (body["good_frames"], body["frames_processed"]) == (int(is_good), 1)
    assert body["result_code"] == assessment.result_code
    assert body["result_description"] == assessment.result_description
    assert body["frame_result"]["pop_detected"] == assessment.pop_detected


async def test_twenty_frames_end_a_session(start, send, says, usage):
    says(*[replace(GOOD, model_confidence="review", result_code=3)] * 20)
    session_id = await start()
    for frame in FRAMES[:19]:
        assert (await send(session_id, frame))[1]["session_status"] == "continue"
    status, body = await send(session_id, FRAMES[19])
    assert status == 200
    assert body == {
        "session_id": session_id,
        "session_status": "failed",
        "frame_index": 20,
        "error": "max_frames_exceeded",
        "billing": {"billable": False, "reason": "no_valid_vhs", "monthly_usage": 0, "tier": "paygo"},
    }


async def test_a_third_good_frame_completes_even_as_the_twentieth(start, send, says):
    poor = replace(GOOD, model_confidence="review", result_code=3)
    says(GOOD, GOOD, *[poor] * 17, GOOD)
    session_id = await start()
    for frame in FRAMES[:20]:
        _, body = await send(session_id, frame)
    assert (body["session_status"], body["frame_index"]) == ("complete", 19)


async def test_five_frames_in_a_row_without_landmarks_end_a_session(start, send, says):
    says(NOT_MEASURABLE, REJECTED, NO_RECTIFICATION, NOT_MEASURABLE, REJECTED)
    session_id = await start()
    for frame in FRAMES[:4]:
        assert (await send(session_id, frame))[1]["session_status"] == "continue"
    _, body = await send(session_id, FRAMES[4])
    assert (body["session_status"], body["frame_index"]) == ("failed", 5)
    assert body["error"] == "max_consecutive_failures_exceeded"
    assert body["billing"]["reason"] == "no_valid_vhs"


async def test_a_frame_with_landmarks_begins_the_row_again(start, send, says):
    poor = replace(GOOD, model_confidence="review", result_code=3)
    says(*[NOT_MEASURABLE] * 4, poor, *[NOT_MEASURABLE] * 5)
    session_id = await start()
    for frame in FRAMES[:9]:
        assert (await send(session_id, frame))[1]["session_status"] == "continue"
    assert (await send(session_id, FRAMES[9]))[1]["error"] == "max_consecutive_failures_exceeded"


async def test_a_session_lasts_three_hundred_seconds(start, send, says, clock):
    says(GOOD)
    session_id = await start()
    clock.advance(seconds=299.999)
    assert (await send(session_id))[1]["session_status"] == "continue"
    clock.advance(seconds=0.001)
    status, body = await send(session_id)
    assert (status, body["session_status"], body["frame_index"]) == (200, "failed", 1)
    assert body["error"] == "session_timeout"
    assert body["billing"]["reason"] == "no_valid_vhs"


async def test_a_frame_that_came_in_time_may_end_later(start, send, says, clock, pipeline):
    says(GOOD)
    session_id = await start()
    clock.advance(seconds=299)
    pipeline.gate.clear()
    waiting = asyncio.create_task(send(session_id))
    while not pipeline.running:
        await asyncio.sleep(0.01)
    clock.advance(seconds=30)
    assert await send(session_id) == (409, IN_WORK)
    pipeline.gate.set()
    assert (await waiting)[1]["session_status"] == "continue"
    assert (await send(session_id))[1]["error"] == "session_timeout"


# What is said of a frame


async def test_says_how_to_take_a_better_photo(start, send, says, screens):
    small = SHARES.mean(0) + (SHARES - SHARES.mean(0)) * 0.6
    says(*[NOT_MEASURABLE] * 4)
    screens.shares[FRAMES[0]] = small
    screens.logits[FRAMES[1]] = -5
    session_id = await start()
    assert (await send(session_id, FRAMES[0]))[1]["feedback"] == "Move closer"
    assert (await send(session_id, FRAMES[1]))[1]["feedback"] == "Make sure the whole radiograph is visible"


async def test_notices_that_the_phone_moved(start, send, says, screens):
    says(*[NOT_MEASURABLE] * 4)
    session_id = await start()
    first = (await send(session_id, FRAMES[0]))[1]["feedback"]
    assert first != "Hold still"
    screens.shares[FRAMES[1]] = SHARES + np.array([0.06, 0.0])
    assert (await send(session_id, FRAMES[1]))[1]["feedback"] == "Hold still"
    screens.shares[FRAMES[2]] = SHARES + np.array([0.06, 0.001])
    assert (await send(session_id, FRAMES[2]))[1]["feedback"] == first


async def test_a_radiograph_itself_is_accepted(start, send, pipeline, screens, post):
    pictures = [png(level) for level in range(3)]
    screens.logits = dict.fromkeys(pictures, -5.0)
    session_id = await start()
    _, body = await send(session_id, pictures[0])
    assert (body["good_frames"], body["frame_result"]["pop_detected"]) == (1, False)
    assert body["feedback"] == "Take another photo"
    for picture in pictures[1:]:
        _, body = await send(session_id, picture)
    assert body["session_status"] == "complete"
    whole = [[0, 0], [24, 0], [24, 20], [0, 20]]
    _, film = await post("/v3/rectify", image=b64(pictures[0]), corners=whole)
    assert (film["width"], film["height"]) == (24, 20)
    assert body["rectified_image"] == film["rectified_image"]


async def test_every_frame_is_rendered(start, send, vhs_triton):
    await send(await start())
    (call,) = [call for call in vhs_triton.calls if call.model == "vhs"]
    assert call.inputs["render"].item() is True


# After the end


@pytest.fixture
async def completed(start, send, says):
    """Complete a session; gives its id and last answer."""
    says(*[GOOD] * 3)
    session_id = await start()
    for frame in FRAMES[:3]:
        status, body = await send(session_id, frame, uuid="Rex")
    assert body["session_status"] == "complete"
    return session_id, (status, body)


async def test_a_session_that_has_ended_gives_its_answer_again(completed, send, pipeline, events, clock):
    session_id, answer = completed
    inferences = len(pipeline.seen)
    clock.advance(minutes=9, seconds=59)
    assert await send(session_id, FRAMES[9]) == answer
    assert await send(session_id, broken_png(), uuid="another") == answer
    assert len(pipeline.seen) == inferences
    assert await events() == {"valid_vhs": 1}


async def test_the_answer_is_erased_after_ten_minutes(completed, send, clock, database, listed):
    session_id, _ = completed
    clock.advance(minutes=10)
    assert await send(session_id) == (404, {"session_id": session_id, **NOT_FOUND})
    assert await listed() == (1, 1)
    await listed.tidy()
    assert await listed() == (0, 0)


@pytest.fixture
def listed(database, clock):
    """Count the sessions and the bodies that the database holds; `tidy` erases what is due."""

    async def count():
        async with database.read() as connection:
            return tuple(
                [
                    await connection.scalar(text(f"SELECT count(*) FROM {table}"))
                    for table in ("pop_sessions", "pop_bodies")
                ]
            )

    count.tidy = SessionStore(database, clock=clock).tidy
    return count


async def test_a_failed_session_gives_its_answer_again(start, send, says, events, clock):
    says(*[NOT_MEASURABLE] * 5)
    session_id = await start()
    for frame in FRAMES[:5]:
        answer = await send(session_id, frame)
    clock.advance(seconds=301)
    assert await send(session_id, FRAMES[9]) == answer
    assert await events() == {"no_valid_vhs": 1}


async def test_a_session_that_nobody_ended_is_erased_in_time(start, send, says, clock, listed, events):
    says(GOOD)
    session_id = await start()
    await send(session_id)
    assert await listed() == (1, 1)
    clock.advance(seconds=300 + 600)
    await listed.tidy()
    assert await listed() == (0, 0)
    assert await send(session_id) == (404, {"session_id": session_id, **NOT_FOUND})
    assert await events() == {}


async def test_only_the_last_answer_is_kept(completed, listed):
    assert await listed() == (1, 1)


# What it costs


async def test_a_patient_charged_today_is_free(start, send, says, post, events):
    says(*[GOOD] * 3)
    assert (await post(image=b64(png(1)), uuid="Rex"))[1]["billing"]["billable"]
    session_id = await start()
    for frame, fields in zip(FRAMES, ({}, {"uuid": "Rex"}, {}), strict=False):
        _, body = await send(session_id, frame, **fields)
    assert body["billing"] == {
        "billable": False,
        "reason": "recheck_24h",
        "monthly_usage": 1,
        "tier": "paygo",
    }


async def test_a_session_enters_the_patients_history(completed, post, pipeline):
    _, body = await post(image=b64(png(1)), uuid="Rex")
    assert body["historic_vhs"] == [["2026-05-17", 11.32]]
    assert body["billing"]["reason"] == "recheck_24h"


async def test_the_names_of_patients_are_not_kept(start, send, says, database):
    says(GOOD)
    await send(await start(), uuid="Rex the dog")
    path = Path(database.url.database)
    files = [each.read_bytes() for each in path.parent.glob(f"{path.name}*")]
    assert b"pop_sessions" in files[0]
    assert not any(b"Rex the dog" in each for each in files)


async def test_a_ledger_that_fails_is_no_error_of_the_session(start, send, says, monkeypatch, events):
    says(*[GOOD] * 3)
    session_id = await start()
    for frame in FRAMES[:2]:
        await send(session_id, frame)

    async def fail(*arguments, **keywords):
        raise TransactionFailed("the ledger is away", may_be_committed=False)

    with monkeypatch.context() as patch:
        patch.setattr("gateway.accounts.ledger.transact", fail)
        status, body = await send(session_id, FRAMES[2])
    assert (status, body["session_status"], body["prediction"]["vhs"]) == (200, "complete", 11.32)
    assert body["billing"]["reason"] == "billing_error"
    assert await send(session_id, FRAMES[3]) == (200, body)
    assert await events() == {}


async def test_another_gateway_finishes_what_one_had_begun(start, send, says, monkeypatch, events):
    """Killed after the third good frame was counted, before anything was charged or kept."""
    says(*[GOOD] * 3)
    session_id = await start()
    for frame in FRAMES[:2]:
        await send(session_id, frame)

    async def die(*arguments):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("gateway.apis.vhs.sessions.Sessions._last_answer", die)
        assert (await send(session_id, FRAMES[2]))[0] == 500
    assert await events() == {}
    status, body = await send(session_id, FRAMES[3])
    assert (status, body["session_status"], body["frame_index"]) == (200, "complete", 2)
    assert await send(session_id, FRAMES[4]) == (200, body)
    assert await events() == {"valid_vhs": 1}


# Which frames do not count


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (broken_png(), "Invalid image data"),
        (jpeg()[:200], "Invalid image data"),
        (b"GIF89a", "Unsupported image format"),
    ],
)
async def test_a_frame_that_is_no_picture_does_not_count(start, send, frame, error):
    session_id = await start()
    assert await send(session_id, frame, uuid="Max") == (400, {"error": error})
    _, body = await send(session_id, uuid="Rex")
    assert (body["frame_index"], body["frames_processed"]) == (0, 1)


@pytest.mark.parametrize("model", ["pipeline", "screens"])
@pytest.mark.parametrize(
    ("error", "status", "texts"),
    [
        (ModelUnavailable("away"), 503, ("Prediction models not available", "PoP pipeline not available")),
        (InferenceTimeout("late"), 504, ("Request timeout",) * 2),
        (InferenceFailed("a patient's name"), 500, ("Internal server error",) * 2),
        (KeyError("a patient's name"), 500, ("Internal server error",) * 2),
    ],
)
async def test_a_frame_that_failed_does_not_count(start, send, request, model, error, status, texts, events):
    session_id = await start()
    fake = request.getfixturevalue(model)
    fake.error = error
    assert await send(session_id) == (status, {"error": texts[model == "screens"]})
    fake.error = None
    _, body = await send(session_id)
    assert (body["frame_index"], body["frames_processed"]) == (0, 1)
    assert await events() == {}


# Who may take part


@pytest.mark.parametrize("session_id", ["0960abaa8179476d", "sess_abc123def456", "x\0y", "ü", "\ud800", " "])
async def test_there_is_no_such_session(send, session_id, pipeline):
    assert await send(session_id) == (404, {"session_id": session_id, **NOT_FOUND})
    assert not pipeline.seen


async def test_a_session_is_its_accounts_own(start, vhs_client, new_key):
    session_id = await start()
    body = {"image": FRAME, "session_id": session_id}

    async def send(raw):
        response = await vhs_client.post("/v3/pop-session", json=body, headers={"x-api-key": raw})
        return response.status, await response.json()

    assert await send(await new_key("Another")) == (404, {"session_id": session_id, **NOT_FOUND})
    status, answer = await send(await new_key())  # another key of the same account
    assert (status, answer["frames_processed"]) == (200, 1)


async def test_a_session_is_about_one_patient(start, send):
    session_id = await start()
    assert (await send(session_id))[0] == 200
    assert (await send(session_id, uuid="Rex"))[0] == 200
    assert await send(session_id, uuid="Max") == (
        400,
        {"error": "uuid must stay the same within a session"},
    )
    for fields in ({"uuid": "Rex"}, {"uuid": ""}, {"uuid": None}):
        assert (await send(session_id, **fields))[0] == 200


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "Missing required field: image"),
        ({"image": FRAME}, "Missing required field: session_id"),
        ({"image": FRAME, "session_id": ""}, "Missing required field: session_id"),
        ({"image": FRAME, "session_id": 5}, "session_id must be a string of at most 64 characters"),
        ({"image": FRAME, "session_id": "x" * 65}, "session_id must be a string of at most 64 characters"),
        ({"image": FRAME, "session_id": "x" * 9999}, "session_id must be a string of at most 64 characters"),
        ({"image": 5, "session_id": "x"}, "image must be a base64 string"),
        ({"image": "!", "session_id": "x"}, "image must be valid base64"),
        ({"image": FRAME, "session_id": "x", "uuid": 5}, "uuid must be a string of at most 128 characters"),
    ],
)
async def test_names_what_is_wrong(post, fields, error):
    assert await post("/v3/pop-session", **fields) == (400, {"error": error})


async def test_an_idempotency_key_is_for_predictions(post, start):
    fields = {"image": FRAME, "session_id": await start()}
    status, body = await post("/v3/pop-session", headers={"Idempotency-Key": "k"}, **fields)
    assert (status, body) == (400, {"error": "Idempotency-Key is for /v3/predict only"})


# One frame at a time


async def test_a_second_frame_at_the_same_time_is_refused(start, vhs_client, key, pipeline):
    session_id = await start()
    pipeline.gate.clear()

    def send():
        body = {"image": FRAME, "session_id": session_id}
        return vhs_client.post("/v3/pop-session", json=body, headers={"x-api-key": key})

    waiting = asyncio.create_task(send())
    while not pipeline.running:
        await asyncio.sleep(0.01)
    response = await send()
    assert (response.status, await response.json()) == (409, IN_WORK)
    assert response.headers["Retry-After"] == "1"
    pipeline.gate.set()
    assert (await (await waiting).json())["frames_processed"] == 1
    assert (await (await send()).json())["frames_processed"] == 2


async def test_a_frame_whose_gateway_died_gives_its_place_up(start, send, clock, database, key):
    session_id = await start()
    caller = await ApiKeys(database).caller(key)
    store = SessionStore(database, clock=clock)
    place = await store.begin_frame(caller.account, session_id, None)
    assert place.token
    clock.advance(seconds=59)
    assert await send(session_id) == (409, IN_WORK)
    clock.advance(seconds=1)
    assert (await send(session_id))[1]["frames_processed"] == 1


async def test_a_frame_that_lost_its_place_is_not_counted(start, send, says, clock, pipeline):
    says(GOOD, GOOD)
    session_id = await start()
    pipeline.gate.clear()
    late = asyncio.create_task(send(session_id, FRAMES[0]))
    while not pipeline.running:
        await asyncio.sleep(0.01)
    clock.advance(seconds=60)
    second = asyncio.create_task(send(session_id, FRAMES[1]))
    while pipeline.running < 2:
        await asyncio.sleep(0.01)
    pipeline.gate.set()
    answers = await asyncio.gather(late, second)
    assert sorted(status for status, _ in answers) == [200, 504]
    assert (await send(session_id, FRAMES[2]))[1]["frames_processed"] == 2


async def test_sessions_do_not_wait_for_each_other(start, send, pipeline):
    sessions = [await start() for _ in range(4)]
    pipeline.gate.clear()
    waiting = [asyncio.create_task(send(session_id)) for session_id in sessions]
    while pipeline.running < 4:
        await asyncio.sleep(0.01)
    pipeline.gate.set()
    assert {status for status, _ in await asyncio.gather(*waiting)} == {200}


# Start


async def test_starts_with_an_empty_body_of_either_kind(vhs_client, key):
    for data in (b"{}", b"", b' {"unknown": 1}'):
        headers = {"x-api-key": key, "Content-Type": "application/json"}
        response = await vhs_client.post("/v3/pop-session/start", data=data, headers=headers)
        assert (await response.json())["session_status"] == "ready"
    response = await vhs_client.post("/v3/pop-session/start", data=b"[]", headers=headers)
    assert (response.status, await response.json()) == (
        400,
        {"error": "Request body must be a JSON object"},
    )


async def test_no_session_is_started_while_its_models_are_away(post, canary):
    canary.doubt("screen")
    assert await post("/v3/pop-session/start") == (503, {"error": "PoP pipeline not available"})


# How many at a time


@pytest.fixture
async def starting(serve_vhs):
    """Serve with at most two open sessions an account; gives what starts one with a key."""
    client = await serve_vhs(vhs_pop_sessions=2)

    async def start(key):
        headers = {"x-api-key": key, "Content-Type": "application/json"}
        response = await client.post("/v3/pop-session/start", data=b"{}", headers=headers)
        return response.status, await response.json(), response.headers.get("Retry-After")

    return start


async def test_an_account_has_so_many_sessions_open_and_no_more(starting, key, new_key, clock):
    assert (await starting(key))[0] == 200
    clock.advance(seconds=100)
    assert (await starting(key))[0] == 200
    assert await starting(await new_key()) == (429, {"error": "Too many open sessions"}, "200")
    assert (await starting(await new_key("Another")))[0] == 200
    clock.advance(seconds=200)
    assert (await starting(key))[0] == 200
    assert (await starting(key))[0] == 429


async def test_a_session_that_has_ended_makes_room(starting, key, new_key, database, clock):
    ids = [(await starting(key))[1]["session_id"] for _ in range(2)]
    assert (await starting(key))[0] == 429
    await _execute(database, "UPDATE pop_sessions SET state = 'failed' WHERE id = :id", id=ids[0])
    assert (await starting(key))[0] == 200


async def test_without_a_limit_there_is_none(serve_vhs, key):
    client = await serve_vhs(vhs_pop_sessions=0)
    for _ in range(3):
        response = await client.post("/v3/pop-session/start", json={}, headers={"x-api-key": key})
        assert response.status == 200


async def _execute(database, statement, **values):
    async with database.write() as connection:
        await connection.execute(text(statement), values)
