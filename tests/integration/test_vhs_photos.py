"""Photos of screens, sent to a real instance: corners, the straightened film, sessions."""

import base64
import http.client
import json
import time

import cv2
import numpy as np
import pytest

from gateway.imaging.screen.quad import jaccard
from tests.imaging.picture_files import jpeg
from tools.phantoms.canine_thorax import canine_thorax
from tools.phantoms.screen_photo import screen_photo

SEED = 20_261_122


@pytest.fixture(scope="module")
def call(instance):
    """Call a route; gives the status and the body's JSON."""
    key = instance.key("Photo clinic")

    def call(path, **fields):
        connection = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=120)
        headers = {"x-api-key": key, "Content-Type": "application/json"}
        try:
            connection.request("POST", path, json.dumps(fields), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    return call


def draw(seed, long_side_px=1600):
    rng = np.random.default_rng(seed)
    film = canine_thorax(rng, long_side_px=900)
    return screen_photo(rng, film, long_side_px=long_side_px, turn=False)


def b64_of(picture):
    return base64.b64encode(jpeg(np.ascontiguousarray(picture[..., ::-1]), quality=90)).decode()


@pytest.fixture(scope="module")
def found(call):
    """A drawn photo in which the screen is found: the photo, its file in base64, the answer."""
    for number in range(8):
        drawn = draw(SEED + number)
        image = b64_of(drawn.picture)
        status, body = call("/v3/corners", image=image)
        if status == 200:
            return drawn, image, body
    pytest.fail("no screen is found in 8 drawn photos")


def test_corners_are_where_the_film_is(found):
    drawn, _, body = found
    rows, columns = drawn.picture.shape[:2]
    assert (body["image_width"], body["image_height"]) == (columns, rows)
    assert jaccard(np.array(body["corners"]), drawn.corners) > 0.9


def test_both_in_one_is_one_after_the_other_to_the_byte(call, found):
    _, image, corners = found
    _, film = call("/v3/rectify", image=image, corners=corners["corners"])
    status, both = call("/v3/preprocess", image=image)
    assert status == 200
    assert both == {**film, "corners": corners["corners"], "order": corners["order"]}
    decoded = np.frombuffer(base64.b64decode(both["rectified_image"]), np.uint8)
    assert cv2.imdecode(decoded, cv2.IMREAD_COLOR).shape == (both["height"], both["width"], 3)


def test_the_documented_corners_give_the_documented_size(call):
    corners = [[137.48, 100.30], [490.50, 81.32], [495.35, 421.38], [154.89, 421.57]]
    picture = np.random.default_rng(1).integers(0, 255, (482, 640, 3)).astype(np.uint8)
    status, body = call("/v3/rectify", image=b64_of(picture), corners=corners)
    assert (status, body["width"], body["height"]) == (200, 346, 330)


def test_a_radiograph_itself_has_no_screen_in_it(call):
    film = canine_thorax(np.random.default_rng(SEED), long_side_px=900).picture
    image = base64.b64encode(jpeg(film)).decode()
    assert call("/v3/corners", image=image) == (422, {"error": "Corner detection failed"})
    assert call("/v3/preprocess", image=image) == (422, {"error": "Corner detection failed"})


def test_every_frame_of_a_session_gets_advice_or_the_session_ends(call):
    _, ready = call("/v3/pop-session/start")
    assert (ready["session_status"], ready["pop_models_loaded"]) == ("ready", 5)
    for number in range(20):
        image = b64_of(draw(SEED + 50 + number % 6, long_side_px=1280).picture)
        status, body = call("/v3/pop-session", image=image, session_id=ready["session_id"])
        assert status == 200
        if body["session_status"] != "continue":
            break
        assert body["feedback"]
        assert (body["frame_index"], body["frames_processed"]) == (number, number + 1)
    assert body["session_status"] in ("complete", "failed")
    assert body["billing"]["billable"] == (body["session_status"] == "complete")
    assert call("/v3/pop-session", image=image, session_id=ready["session_id"]) == (200, body)


def test_a_large_photo_is_answered_in_its_own_pixels(call):
    drawn = draw(SEED + 3, long_side_px=4000)
    image = b64_of(drawn.picture)
    seconds = []
    for _ in range(5):
        before = time.perf_counter()
        status, body = call("/v3/corners", image=image)
        seconds.append(time.perf_counter() - before)
    print(f"\n/v3/corners, {drawn.picture.size // 3 / 1e6:.0f} MP: {np.median(seconds) * 1000:.0f} ms")
    if status == 200:
        assert body["image_width"] == drawn.picture.shape[1]
        assert jaccard(np.array(body["corners"]), drawn.corners) > 0.9
    else:
        assert body == {"error": "Corner detection failed"}
