"""The documented JavaScript, in a real Node, against a real instance: a session from its start to its end."""

import base64
import http.client
import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.apis.radanalyzer_v3_examples import FETCH_EXAMPLE
from tools.phantoms.canine_thorax import canine_thorax
from tools.phantoms.screen_photo import screen_photo

DOCUMENTED_URL = "https://api.radanalyzer.com"
NODE = shutil.which("node")
CAPTURE = """
import { readFileSync } from "node:fs";
const frames = JSON.parse(readFileSync("frames.json", "utf8"));
async function captureFrame() {
  if (!frames.length) throw new Error("the session asked for more frames than there are");
  return frames.shift();
}
"""
"""The one function that the documentation leaves to its reader."""
SEED = 20_261_121
CANDIDATES = 12

pytestmark = pytest.mark.skipif(NODE is None, reason="there is no Node on this machine")


@pytest.fixture(scope="module")
def key(instance):
    return instance.key("Photographers")


@pytest.fixture(scope="module")
def call(instance, key):
    """Call a route; gives the body's JSON."""

    def call(method, path, **fields):
        connection = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=120)
        headers = {"x-api-key": key, "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(fields) if fields else None, headers)
            response = connection.getresponse()
            body = json.loads(response.read())
            assert response.status == 200, body
            return body
        finally:
            connection.close()

    return call


@pytest.fixture
def run(instance, key, tmp_path):
    """Run the documented program on frames; gives what it printed."""

    def run(frames):
        program = FETCH_EXAMPLE.replace(DOCUMENTED_URL, f"http://127.0.0.1:{instance.port}")
        (tmp_path / "session.mjs").write_text(CAPTURE + program.replace("YOUR_API_KEY", key))
        (tmp_path / "frames.json").write_text(json.dumps(frames))
        kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        return subprocess.run(
            [str(NODE), "session.mjs"],
            cwd=Path(tmp_path),
            env=kept,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )

    return run


@pytest.fixture(scope="module")
def photos():
    """Drawn photos of screens that show drawn thoraxes, in base64."""

    def draw(seed):
        rng = np.random.default_rng(seed)
        film = canine_thorax(rng, long_side_px=900)
        return b64(screen_photo(rng, film, long_side_px=1600, turn=False).picture[..., ::-1])

    return [draw(SEED + number) for number in range(CANDIDATES)]


def b64(pixels):
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=92)
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture(scope="module")
def desk():
    """A frame without any screen in it."""
    return b64(np.random.default_rng(1).integers(90, 110, (900, 1200, 3)).astype(np.uint8))


@pytest.fixture(scope="module")
def good(call, photos):
    """A photo that is good, and what it measures."""
    for first in range(0, CANDIDATES, 6):
        some = photos[first : first + 6]
        for image, line in zip(some, call("POST", "/v3/predict", images=some)["per_photo"], strict=True):
            if line["model_confidence"] != "review" and line["axes_perpendicular"] and line["pop_detected"]:
                return image, line
    pytest.fail(f"none of {CANDIDATES} drawn photos of screens is measured well")


def test_the_documented_program_gets_its_measurement(run, call, good, desk):
    image, line = good
    before = call("GET", "/v3/usage")["monthly_usage"]
    printed = run([desk, image, image, image]).stdout.splitlines()
    assert printed[0] == "Feedback: Make sure the whole radiograph is visible"
    assert [each.split(": ")[0] for each in printed] == [*["Feedback"] * 3, "VHS", "VLAS"]
    assert "undefined" not in "".join(printed)
    assert float(printed[-2].removeprefix("VHS: ")) == line["vhs"]
    assert printed[-1] == f"VLAS: {'null' if line['vlas'] is None else line['vlas']}"
    assert call("GET", "/v3/usage")["monthly_usage"] == before + 1


def test_the_documented_program_hears_of_a_failure(run, call, desk):
    before = call("GET", "/v3/usage")["monthly_usage"]
    done = run([desk] * 5)
    assert done.stderr.strip() == "Session failed: max_consecutive_failures_exceeded"
    assert len(done.stdout.splitlines()) == 4
    assert call("GET", "/v3/usage")["monthly_usage"] == before


def test_the_documented_program_ends_where_there_is_no_such_session(run, instance, desk, monkeypatch):
    lost = FETCH_EXAMPLE.replace("session_id: session_id", 'session_id: "0960abaa8179476d"')
    assert lost != FETCH_EXAMPLE
    monkeypatch.setattr("tests.integration.test_vhs_node.FETCH_EXAMPLE", lost)
    assert run([desk]).stderr.strip() == "Session failed: session_not_found"
