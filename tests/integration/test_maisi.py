"""The MAISI API of a real instance: the vendor's client, and a kill in the middle of a volume.

RADGATE_TEST_MAISI_KILLS makes the second as long as one likes.
"""

import gzip
import io
import json
import os
import random
import time
import urllib.error
import urllib.request
import zipfile

import nibabel
import numpy as np
import pytest

from gateway.imaging.maisi.labels import LABELS
from tests.integration.instances import Instance
from tests.integration.processes import wait_until

KILLS = int(os.environ.get("RADGATE_TEST_MAISI_KILLS", "1"))
SEED = int(os.environ.get("RADGATE_TEST_SEED", "0"))
SMALL = {
    "num_output_samples": 1,
    "body_region": ["abdomen"],
    "anatomy_list": ["liver", "spleen"],
    "output_size": [256, 256, 128],
    "spacing": [1.5, 1.5, 1.5],
    "num_inference_steps": 2,
}
SEEDED = {**SMALL, "seed": 23, "label_values": "native"}


def call(instance: Instance, method: str, path: str, body: dict | None = None, **headers: str):
    request = urllib.request.Request(
        f"http://127.0.0.1:{instance.maisi_port}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json", **headers},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        return answer.status, dict(answer.headers), answer.read()


def archive_of(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_the_vendors_client_works(instance, tmp_path):
    """As the script of the original's documentation: wait for health, POST, save the ZIP or print JSON."""
    base_url = f"http://127.0.0.1:{instance.maisi_port}"
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"{base_url}/v1/health/ready") as answer:
                if json.loads(answer.read()) | {} and answer.status == 200:
                    break
        except urllib.error.HTTPError:
            time.sleep(0.1)
    payload = {
        **SMALL,
        "controllable_anatomy_size": [["hepatic tumor", 0.3], ["liver", 0.5]],
        "image_output_ext": ".nii.gz",
        "label_output_ext": ".nii.gz",
        "pre_signed_url": "",
    }
    request = urllib.request.Request(
        f"{base_url}/v1/maisi/run", json.dumps(payload).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        assert response.headers["Content-Type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(response.read())) as opened:
            opened.extractall(tmp_path)
    names = os.listdir(tmp_path)
    (image,) = [name for name in names if name.startswith("sample") and name.endswith("image.nii.gz")]
    (label,) = [name for name in names if name.startswith("sample") and name.endswith("label.nii.gz")]
    voxels, labels = nibabel.load(tmp_path / image), nibabel.load(tmp_path / label)
    assert voxels.shape == labels.shape == (256, 256, 128)
    assert np.allclose(voxels.header.get_zooms(), 1.5)
    assert np.array_equal(np.unique(labels.get_fdata()), [0, 1, 2])  # tumour and liver
    assert -1000 <= voxels.get_fdata().min() < voxels.get_fdata().max() <= 1000


@pytest.fixture(scope="module")
def made(instance):
    """What the shared instance makes of a seed."""
    return archive_of(call(instance, "POST", "/v1/maisi/run", SEEDED)[2])


def test_native_labels_have_what_was_asked_for(made):
    (label,) = [made[name] for name in made if name.endswith("_label.nii.gz")]
    there = np.unique(nibabel.Nifti1Image.from_bytes(gzip.decompress(label)).get_fdata())
    assert {LABELS["liver"].index, LABELS["spleen"].index} <= set(there)


def test_a_killed_instance_goes_on_with_the_same_seed_to_the_same_bytes(made, new_instance):
    """And they are those that another instance made."""
    chance = random.Random(SEED)
    instance = new_instance(maisi_quality_tries="1")
    instance.start()
    instance.wait_ready()
    status, headers, _ = call(instance, "POST", "/v1/maisi/run", SEEDED, Prefer="respond-async")
    assert status == 202
    job = headers["Location"]

    def state() -> dict:
        return json.loads(call(instance, "GET", job)[2])

    for _ in range(KILLS):
        wait_until(lambda: state()["stage"] or state()["finished_at"], 120, "it generates", every=0.05)
        time.sleep(chance.uniform(0, 10.0))
        instance.kill_everything()
        instance.start()
        instance.wait_ready()
    wait_until(lambda: state()["finished_at"], 300, "the job ends", every=0.5)
    assert (state()["state"], state()["done"]) == ("succeeded", 1)
    result = archive_of(call(instance, "GET", state()["result"])[2])
    assert [result[name] for name in sorted(result)] == [made[name] for name in sorted(made)]
    assert list((instance.data_dir / "maisi").rglob("*.raw")) == []
