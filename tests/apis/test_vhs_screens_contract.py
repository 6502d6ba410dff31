"""The documented bodies about photos of screens, in shape; every answer also by the OpenAPI document."""

import json
from dataclasses import replace

import pytest

from tests.apis import radanalyzer_v3_examples as examples
from tests.apis.screen_callers import CORNERS, GOOD, SHARES, photo
from tests.apis.test_vhs_contract import shape
from tests.apis.test_vhs_openapi import answers, validator
from tests.apis.vhs_callers import NOT_MEASURABLE, REJECTED, b64, broken_png, png

UUID = "patient-123"
FRAMES = [photo(level) for level in range(100, 200, 4)]
PHOTO = b64(FRAMES[0])
POOR = replace(GOOD, model_confidence="review", result_code=3)
BLIND = replace(NOT_MEASURABLE, pop_detected=True)


@pytest.fixture
async def vhs_client(serve_vhs):
    return await serve_vhs(vhs_pop=True)


@pytest.fixture
def post(post):
    """POST, and hold the answer against the document."""

    async def checked(path="/v3/predict", **fields):
        status, body = await post(path, **fields)
        validator(answers(path, "post", status)["schema"]).validate(body)
        return status, body

    return checked


@pytest.fixture
async def session(post, pipeline):
    """Run a session whose frames are said to be so; gives its answers."""

    async def run(*assessments):
        pipeline.assessments |= dict(zip(FRAMES, assessments, strict=False))
        _, ready = await post("/v3/pop-session/start")
        sent = {"session_id": ready["session_id"], "uuid": UUID}
        bodies = []
        for frame, _ in zip(FRAMES, assessments, strict=False):
            bodies.append((await post("/v3/pop-session", image=b64(frame), **sent))[1])
        return [ready, *bodies]

    return run


def like(example, **own):
    """Give an example's values with others in place of those that are a call's own."""
    return {**json.loads(example), **own}


async def test_health(vhs_client, key):
    response = await vhs_client.get("/v3/health", headers={"x-api-key": key})
    assert await response.json() == json.loads(examples.HEALTH)


async def test_corners_rectify_preprocess(post):
    _, corners = await post("/v3/corners", image=PHOTO)
    assert shape(corners) == shape(json.loads(examples.CORNERS))
    assert {**corners, "corners": CORNERS} == json.loads(examples.CORNERS)
    _, rectified = await post("/v3/rectify", image=PHOTO, corners=CORNERS)
    assert shape(rectified) == shape(json.loads(examples.RECTIFIED))
    film = rectified["rectified_image"]
    assert rectified == like(examples.RECTIFIED, rectified_image=film)
    _, preprocessed = await post("/v3/preprocess", image=PHOTO)
    assert shape(preprocessed) == shape(json.loads(examples.PREPROCESSED))


async def test_a_session_begins(session):
    (ready,) = await session()
    assert shape(ready) == shape(json.loads(examples.SESSION_READY))
    assert ready == like(examples.SESSION_READY, session_id=ready["session_id"])


async def test_a_session_goes_on(session):
    _, body = await session(BLIND)
    example = json.loads(examples.SESSION_CONTINUES)
    assert shape(body) == [*shape(example), ("feedback", "string")]
    own = {name: body[name] for name in ("session_id", "feedback")}
    text = example["result_description"].removesuffix(".")  # as in the documented table of codes
    assert body == like(examples.SESSION_CONTINUES, **own, result_description=text)


async def test_a_session_completes(session):
    *_, body = await session(POOR, GOOD, GOOD, GOOD)
    example = json.loads(examples.SESSION_COMPLETE)
    assert shape(body) == shape(example)
    assert (body["frame_index"], body["session_status"]) == (3, "complete")
    assert body["billing"] == {**example["billing"], "monthly_usage": 1}


async def test_a_session_fails(session):
    *_, body = await session(*[POOR] * 20)
    example = json.loads(examples.SESSION_FAILED)
    assert shape(body) == shape(example)
    example["billing"]["monthly_usage"] = 0
    assert body == {**example, "session_id": body["session_id"]}


async def test_errors(post, screens):
    screens.logits[png(1)] = -5.0
    assert await post("/v3/corners", image=b64(png(1))) == (422, json.loads(examples.ERRORS[422]))
    assert await post("/v3/preprocess", image=b64(png(1))) == (422, json.loads(examples.ERRORS[422]))


async def test_there_is_no_pipeline(serve_vhs, key):
    client = await serve_vhs(vhs_pop=False)
    response = await client.post("/v3/corners", json={"image": PHOTO}, headers={"x-api-key": key})
    assert (response.status, await response.json()) == (503, json.loads(examples.ERRORS[503]))


async def test_the_documented_sequence_of_usage(post, pipeline, session):
    """Single 47, rejected 47, batch 48, session 49, failed session 49."""
    pipeline.assessments[png(9)] = REJECTED
    for _ in range(46):
        await post(image=b64(png(1)))
    usage = [
        (await post(image=b64(png(1))))[1],
        (await post(image=b64(png(9))))[1],
        (await post(images=[b64(png(1)), b64(png(9))]))[1],
        (await session(GOOD, GOOD, GOOD))[-1],
        (await session(*[BLIND] * 5))[-1],
    ]
    assert [body["billing"]["monthly_usage"] for body in usage] == [47, 47, 48, 49, 49]


async def test_other_answers_fit_the_document(post, session, screens, clock):
    """Each is checked by `post`."""
    screens.shares[FRAMES[1]] = SHARES * 0.9
    for assessment in (REJECTED, GOOD, replace(GOOD, vlas=None, result_code=4)):
        *_, body = await session(assessment, assessment, assessment)
    sent = {"image": PHOTO, "session_id": body["session_id"]}
    assert (await post("/v3/pop-session", **sent))[1] == body
    assert (await post("/v3/pop-session", **sent, uuid=5))[0] == 400
    ready, _ = await session(GOOD)
    sent["session_id"] = ready["session_id"]
    assert (await post("/v3/pop-session", **sent, uuid="another"))[0] == 400
    assert (await post("/v3/pop-session", **{**sent, "image": b64(broken_png())}))[0] == 400
    clock.advance(seconds=300)
    assert (await post("/v3/pop-session", **sent))[1]["error"] == "session_timeout"
    clock.advance(minutes=10)
    assert (await post("/v3/pop-session", **sent))[0] == 404
    assert (await post("/v3/pop-session", image=PHOTO))[0] == 400
    assert (await post("/v3/rectify", image=PHOTO))[0] == 400
    assert (await post("/v3/rectify", image=PHOTO, corners=[]))[0] == 400
    assert (await post("/v3/corners"))[0] == 400
