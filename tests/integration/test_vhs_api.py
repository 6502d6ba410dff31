"""The VHS API of a real instance, as its callers use it."""

import base64
import http.client
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tests.apis.event_stream import EventStream
from tests.apis.radanalyzer_v3_examples import REQUESTS_EXAMPLE
from tests.integration.processes import wait_until
from tools.phantoms.canine_thorax import canine_thorax

DOCUMENTED_URL = "https://api.radanalyzer.com"


@pytest.fixture(scope="module")
def key(instance):
    return instance.key("Clinic")


@pytest.fixture(scope="module")
def radiograph(tmp_path_factory):
    """A drawn lateral thorax, as JPEG."""
    path = tmp_path_factory.mktemp("radiograph") / "radiograph.jpg"
    Image.fromarray(canine_thorax(np.random.default_rng(1), long_side_px=900).picture).save(path, quality=92)
    return path


@pytest.fixture
def call(instance, key):
    """Call a route; gives the status and the body's JSON."""

    def call(method, path, **fields):
        connection = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=60)
        headers = {"x-api-key": key, "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(fields) if fields else None, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    return call


def b64(path):
    return base64.b64encode(path.read_bytes()).decode()


def test_the_documented_example_runs_unchanged_but_for_the_url(instance, key, radiograph):
    code = REQUESTS_EXAMPLE.replace(DOCUMENTED_URL, f"http://127.0.0.1:{instance.port}")
    code = code.replace("YOUR_API_KEY", key)
    assert code.count(key) == 1
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=radiograph.parent,
        env=kept,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    printed = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert list(printed) == ["VHS", "VLAS", "Confidence", "Spread", "Result"]
    assert printed["Confidence"] in ("optimal", "good", "review")


def test_health(call):
    status, body = call("GET", "/v3/health")
    assert (status, body["status"], body["models_loaded"]) == (200, "healthy", 5)


def test_a_batch_is_its_pictures_together(call, radiograph):
    image, blank = b64(radiograph), base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
    status, alone = call("POST", "/v3/predict", image=image)
    assert status == 200
    status, body = call("POST", "/v3/predict", images=[blank, image, image])
    assert status == 200
    assert body["per_photo"][0]["error"] == "Invalid image data"
    assert [line["vhs"] for line in body["per_photo"][1:]] == [alone["vhs"]] * 2
    assert body["n_photos_processed"] == 2


def test_a_stream_says_what_the_batch_says(instance, key, call, radiograph):
    _, batch = call("POST", "/v3/predict", images=[b64(radiograph)] * 3)
    connection = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=60)
    body = json.dumps({"images": [b64(radiograph)] * 3})
    headers = {"x-api-key": key, "Content-Type": "application/json"}
    connection.request("POST", "/v3/predict/stream", body, headers)
    response = connection.getresponse()
    reader = EventStream()
    found = []
    while chunk := response.read1():
        found += reader.feed(chunk)
    connection.close()
    assert [message.event for message in found] == ["processing_started", *["photo"] * 3, "summary"]
    lines = [message.json for message in found[1:-1]]
    assert [line["vhs"] for line in lines] == [line["vhs"] for line in batch["per_photo"]]
    summary = found[-1].json
    assert {name: batch[name] for name in summary if name != "billing"} == {
        name: value for name, value in summary.items() if name != "billing"
    }


def test_a_caller_who_leaves_stops_the_work_and_pays_for_what_it_had(instance, key, call, radiograph):
    before, done_before = call("GET", "/v3/usage")[1]["monthly_usage"], _ended(instance, "ok")
    connection = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=60)
    headers = {"x-api-key": key, "Content-Type": "application/json"}
    connection.request("POST", "/v3/predict/stream", json.dumps({"images": [b64(radiograph)] * 10}), headers)
    response = connection.getresponse()
    reader, photos = EventStream(), []
    while not photos:
        photos = [message.json for message in reader.feed(response.read1()) if message.event == "photo"]
    connection.close()
    response.close()
    wait_until(lambda: _ended(instance, "cancelled"), 20, "pictures in work are taken back")
    cost = int(any(photo["vhs"] is not None for photo in photos))
    wait_until(
        lambda: call("GET", "/v3/usage")[1]["monthly_usage"] == before + cost, 20, "the call is charged"
    )
    time.sleep(1)
    assert call("GET", "/v3/usage")[1]["monthly_usage"] == before + cost
    assert _ended(instance, "ok") - done_before < 10


def _ended(instance, outcome):
    """Count the inferences of `vhs` that ended so."""
    connection = http.client.HTTPConnection("127.0.0.1", instance.admin_port, timeout=5)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    name = f'radgate_inference_seconds_count{{model="vhs",outcome="{outcome}"}}'
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def test_the_database_does_not_hold_the_key(instance, key):
    for path in instance.data_dir.glob("app.db*"):
        content = path.read_bytes()
        assert key.encode() not in content
        assert key[20:50].encode() not in content  # of its secret part


def test_the_log_holds_neither_the_key_nor_the_patient(instance, key, call, radiograph):
    call("POST", "/v3/predict", image=b64(radiograph), uuid="Rex of Mrs. Miller")
    assert "Miller" not in instance.output
    assert key not in instance.output
