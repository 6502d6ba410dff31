"""The model `maisi_mask` in a real Triton, where a published bundle's masks were imported."""

import asyncio
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gateway.errors import InvalidImage
from gateway.imaging.maisi.labels import LABELS
from gateway.triton.client import TritonClient
from gateway.triton.embedded import EmbeddedTriton
from tests.imaging.maisi.mask_database import body, write_database
from tools.at_hand import free_ports

MODEL = Path(__file__).parents[2] / "model_repository" / "maisi_mask"
LIVER = LABELS["liver"].index


@pytest.fixture
async def triton(tmp_path):
    folder = tmp_path / "models" / "maisi_mask"
    (folder / "1").mkdir(parents=True)
    for name in ("config.pbtxt", "1/model.py"):
        shutil.copy(MODEL / name, folder / name)
    write_database(folder / "1", (body((32, 32, 32), LIVER), (1.5, 1.5, 1.5), {}))
    grpc_port, metrics_port = free_ports(2)
    server = EmbeddedTriton(
        model_repository=folder.parent,
        state_dir=tmp_path / "state",
        grpc_port=grpc_port,
        metrics_port=metrics_port,
    )
    await server.start()
    client = TritonClient(server.url)
    while not await client.ready("maisi_mask"):
        await asyncio.sleep(0.1)
    yield client
    await client.close()
    await server.stop()


async def labels_of(client, **fields):
    asked = {
        "seed": 1,
        "output_size": [32, 32, 32],
        "spacing_mm": [1.5, 1.5, 1.5],
        "body_region": ["abdomen"],
    }
    inputs = {
        "request": np.array([json.dumps({**asked, **fields}).encode()], np.object_),
        "lease": np.array([b""], np.object_),
    }
    *_, last = [part async for part in client.stream("maisi_mask", inputs)]
    assert json.loads(last["event"][0]) == {"event": "labels"}
    return last["labels"]


async def test_masks_come_from_the_database_and_of_given_sizes_are_drawn(triton):
    labels = await labels_of(triton, anatomy_list=["liver"])
    assert np.mean(labels == body((32, 32, 32), LIVER)) > 0.9
    with pytest.raises(InvalidImage, match="Cannot find body region with given anatomy list"):
        await labels_of(triton, anatomy_list=["heart"])
    field = {"output_size": [128, 128, 64], "spacing_mm": [2.4, 2.4, 2.4]}
    drawn = await labels_of(triton, controllable_anatomy_size=[["liver", 0.5]], **field)
    assert (drawn == LIVER).any() and (drawn == 0).any()
