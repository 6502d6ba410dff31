"""Corners, the straightened film, both in one, and what is said where there are none."""

import asyncio
import base64
import json
import os
from io import BytesIO

import cv2
import numpy as np
import pytest

from gateway.errors import InferenceFailed, InferenceTimeout, ModelUnavailable
from tests.apis.screen_callers import CORNERS, GOOD, HEIGHT, SHARES, WIDTH, photo
from tests.apis.vhs_callers import b64, broken_png, png
from tests.imaging.picture_files import tiff
from tests.integration.processes import tree, wait_until_gone

PHOTO = b64(photo())
CORNERS_OF, RECTIFY, PREPROCESS = "/v3/corners", "/v3/rectify", "/v3/preprocess"
NOT_FOUND = (422, {"error": "Corner detection failed"})
ALL = [
    (CORNERS_OF, {"image": PHOTO}),
    (RECTIFY, {"image": PHOTO, "corners": CORNERS}),
    (PREPROCESS, {"image": PHOTO}),
]


def rgb(film):
    return cv2.imdecode(np.frombuffer(base64.b64decode(film), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


# What is answered


async def test_finds_the_corners(post):
    status, body = await post(CORNERS_OF, image=PHOTO)
    assert status == 200
    assert np.abs(np.array(body["corners"]) - CORNERS).max() < 2
    assert all(round(value, 2) == value for pair in body["corners"] for value in pair)
    assert body["order"] == "TL,TR,BR,BL"
    assert (body["image_width"], body["image_height"]) == (WIDTH, HEIGHT)


async def test_straightens_the_documented_corners_to_the_documented_size(post):
    status, body = await post(RECTIFY, image=PHOTO, corners=CORNERS)
    assert (status, body["width"], body["height"]) == (200, 346, 330)
    film = rgb(body["rectified_image"])
    assert film.shape == (330, 346, 3)
    assert np.abs(film[8:-8, 8:-8].mean((0, 1)) - (200, 100, 155)).max() < 4


@pytest.mark.parametrize("level", [120, 200])
async def test_both_in_one_is_one_after_the_other(post, level):
    image = b64(photo(level))
    _, found = await post(CORNERS_OF, image=image)
    _, film = await post(RECTIFY, image=image, corners=found["corners"])
    _, both = await post(PREPROCESS, image=image)
    assert base64.b64decode(both["rectified_image"]) == base64.b64decode(film["rectified_image"])
    assert both == {**film, "corners": found["corners"], "order": found["order"]}


async def test_pixels_are_those_of_the_upright_photo(post, screens):
    segment = b"Exif\0\0" + tiff(6)  # to be turned to the right
    turned = b"".join((photo()[:2], b"\xff\xe1", (len(segment) + 2).to_bytes(2, "big"), segment, photo()[2:]))
    screens.shares[turned] = np.array([[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]])
    _, body = await post(CORNERS_OF, image=b64(turned))
    assert (body["image_width"], body["image_height"]) == (HEIGHT, WIDTH)
    _, film = await post(RECTIFY, image=b64(turned), corners=[[0, 0], [482, 0], [482, 640], [0, 640]])
    assert (film["width"], film["height"]) == (HEIGHT, WIDTH)


async def test_a_large_photo_has_its_own_pixels(post):
    large = cv2.resize(
        cv2.imdecode(np.frombuffer(photo(), np.uint8), cv2.IMREAD_COLOR), (WIDTH * 6 + 1, HEIGHT * 6)
    )
    image = b64(cv2.imencode(".jpg", large)[1].tobytes())
    _, body = await post(CORNERS_OF, image=image)
    assert (body["image_width"], body["image_height"]) == (WIDTH * 6 + 1, HEIGHT * 6)
    assert np.abs(np.array(body["corners"]) / 6 - CORNERS).max() < 2


async def test_nothing_of_it_is_charged(post, usage):
    for path, fields in ALL:
        status, body = await post(path, **fields)
        assert (status, "billing" in body) == (200, False)
    assert (await usage()).lines == ()


# What is not found


async def test_what_is_no_photo_of_a_screen_has_no_corners(post, screens):
    for picture in (png(1), photo()):
        screens.logits[picture] = -4.0
        assert await post(CORNERS_OF, image=b64(picture)) == NOT_FOUND
        assert await post(PREPROCESS, image=b64(picture)) == NOT_FOUND


async def test_corners_that_are_not_to_be_trusted_are_none(post, screens):
    far = photo(120, SHARES * (100, 80))
    screens.shares[far] = SHARES.mean(0) + (SHARES - SHARES.mean(0)) * 0.3
    for path in (CORNERS_OF, PREPROCESS):
        assert await post(path, image=b64(far)) == NOT_FOUND


# What is refused


@pytest.mark.parametrize(
    "corners",
    [
        CORNERS[:3],
        [*CORNERS, [1, 1]],
        CORNERS[::-1],
        [CORNERS[0], CORNERS[2], CORNERS[1], CORNERS[3]],
        [[0, 0], [10, 0], [10, 10], [0, 10]],
        [[-65, 0], [640, 0], [640, 482], [0, 482]],
        [[0, 0], [640, 0], [640, 531], [0, 482]],
        [[0, 0, 0], [640, 0, 0], [640, 482, 0], [0, 482, 0]],
        [["0", 0], [640, 0], [640, 482], [0, 482]],
        [[True, 0], [640, 0], [640, 482], [0, 482]],
        [[None, 0], [640, 0], [640, 482], [0, 482]],
        [[1e400, 0], [640, 0], [640, 482], [0, 482]],
        [10**400, 0, 1, 2],
        [[10**400, 0], [640, 0], [640, 482], [0, 482]],
        ["x" * 5000] * 4,
        {"TL": CORNERS[0]},
        "corners",
        5,
    ],
)
async def test_corners_that_are_none_are_refused(vhs_client, key, corners):
    body = json.dumps({"image": PHOTO, "corners": corners}).replace("Infinity", "1e400")
    headers = {"x-api-key": key, "Content-Type": "application/json"}
    response = await vhs_client.post(RECTIFY, data=body, headers=headers)
    assert (response.status, await response.json()) == (400, {"error": "Invalid corners"})


async def test_corners_a_little_outside_are_some(post):
    outside = [[-60, -40], [700, -40], [700, 525], [-60, 525]]
    status, body = await post(RECTIFY, image=PHOTO, corners=outside)
    assert (status, body["width"], body["height"]) == (200, 760, 565)


@pytest.mark.parametrize("fields", [{}, {"corners": None}])
async def test_corners_are_asked_for(post, fields):
    assert await post(RECTIFY, image=PHOTO, **fields) == (
        400,
        {"error": "Missing required field: corners"},
    )


@pytest.mark.parametrize("path", [CORNERS_OF, RECTIFY, PREPROCESS])
@pytest.mark.parametrize(
    ("image", "error"),
    [
        (None, "Missing required field: image"),
        ("", "Missing required field: image"),
        (5, "image must be a base64 string"),
        ("!", "image must be valid base64"),
        (b64(b"GIF89a"), "Unsupported image format"),
        (b64(broken_png()), "Invalid image data"),
        (b64(photo()[:2000]), "Invalid image data"),
    ],
)
async def test_names_what_is_wrong_with_an_image(post, path, image, error):
    corners = [[0, 0], [24, 0], [24, 20], [0, 20]]
    assert await post(path, image=image, corners=corners) == (400, {"error": error})


@pytest.mark.parametrize("path", [CORNERS_OF, RECTIFY, PREPROCESS, "/v3/pop-session"])
async def test_an_image_may_have_ten_mebibytes(vhs_client, key, path):
    headers = {"x-api-key": key, "Content-Type": "application/json"}
    for size, statuses in ((10 * 2**20, (200, 404)), (10 * 2**20 + 1, (413,)), (12 * 2**20, (413,))):
        fields = {"image": b64(photo().ljust(size, b"\0")), "corners": CORNERS, "session_id": "x"}
        response = await vhs_client.post(path, data=BytesIO(json.dumps(fields).encode()), headers=headers)
        assert response.status in statuses
        if response.status == 413:
            assert await response.json() == {"error": "Image exceeds maximum size of 10MB"}


# What fails


@pytest.mark.parametrize("path", [CORNERS_OF, PREPROCESS])
@pytest.mark.parametrize(
    ("error", "status", "text", "is_doubted"),
    [
        (ModelUnavailable("screen is not available"), 503, "PoP pipeline not available", True),
        (InferenceTimeout("late"), 504, "Request timeout", False),
        (InferenceFailed("a patient's name"), 500, "Internal server error", True),
        (KeyError("a patient's name"), 500, "Internal server error", False),
    ],
)
async def test_says_what_it_may_of_a_failure(
    vhs_client, key, screens, canary, path, error, status, text, is_doubted
):
    screens.error = error
    response = await vhs_client.post(path, json={"image": PHOTO}, headers={"x-api-key": key})
    assert (response.status, await response.json()) == (status, {"error": text})
    assert ("Retry-After" in response.headers) == (status == 503)
    assert canary.ready == {"vhs": True, "screen": not is_doubted}


async def test_a_worker_that_dies_is_replaced(post):
    fields = {"image": PHOTO, "corners": CORNERS}
    first = await post(RECTIFY, **fields)
    workers = [each for each in tree(os.getpid()) if "screen.files:rectified_jpeg" in each.command]
    assert workers
    for worker in workers:
        worker.kill()
    wait_until_gone(workers, 10)
    assert await post(RECTIFY, **fields) == first


async def test_films_are_straightened_beside_the_event_loop(post):
    longest = 0.0

    async def watch():
        nonlocal longest
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.005)
            longest = max(longest, loop.time() - before - 0.005)

    large = cv2.resize(cv2.imdecode(np.frombuffer(photo(), np.uint8), cv2.IMREAD_COLOR), (4000, 3000))
    image = b64(cv2.imencode(".jpg", large)[1].tobytes())
    corners = [[0, 0], [4000, 0], [4000, 3000], [0, 3000]]
    watching = asyncio.create_task(watch())
    before = asyncio.get_running_loop().time()
    assert (await post(RECTIFY, image=image, corners=corners))[0] == 200
    took = asyncio.get_running_loop().time() - before
    watching.cancel()
    assert longest < took / 2


# Where photos of screens are not taken


PATHS = [*(path for path, _ in ALL), "/v3/pop-session/start", "/v3/pop-session"]


@pytest.mark.parametrize("path", PATHS)
async def test_where_they_are_not_taken_it_says_so(serve_vhs, key, path):
    client = await serve_vhs(vhs_pop=False)
    for data in (b"", json.dumps({"image": PHOTO}).encode()):
        response = await client.post(path, data=data, headers={"x-api-key": key})
        assert (response.status, await response.json()) == (503, {"error": "PoP pipeline not available"})
        assert response.headers["Retry-After"] == "5"
    response = await client.post(path, data=b"")
    assert response.status == 403


async def test_a_prediction_of_one_says_so_too(serve_vhs, key, pipeline, usage):
    client = await serve_vhs(vhs_pop=False)
    pipeline.assessments = {photo(): GOOD}
    fields = {"image": PHOTO, "render": True}
    response = await client.post("/v3/predict", json=fields, headers={"x-api-key": key})
    body = await response.json()
    assert (response.status, body["result_code"], body["pop_detected"]) == (200, 7, True)
    assert {body[name] for name in ("vhs", "vlas", "spread", "rendered_image")} == {None}
    assert (body["prediction"], body["billing"]["reason"]) == ([], "no_valid_vhs")
    response = await client.post("/v3/predict", json={"image": b64(png(1))}, headers={"x-api-key": key})
    assert (await response.json())["result_code"] == 1


async def test_health_says_whether_they_are_taken(serve_vhs, key, canary):
    async def health(client):
        body = await (await client.get("/v3/health", headers={"x-api-key": key})).json()
        return body["status"], body["pop_pipeline_enabled"], body["pop_models_loaded"]

    assert await health(await serve_vhs(vhs_pop=False)) == ("healthy", False, 0)
    client = await serve_vhs()
    assert await health(client) == ("healthy", True, 5)
    canary.doubt("screen")
    assert await health(client) == ("degraded", False, 0)


@pytest.mark.parametrize("path", PATHS)
async def test_none_goes_without_a_key(vhs_client, path):
    response = await vhs_client.post(path, data=b"nonsense")
    assert (response.status, await response.json()) == (403, {"error": "Invalid API key"})
