"""One call of each API on sample input made here; the results stay for a look."""

import asyncio
import base64
import contextlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from rich.console import Console

from gateway.accounts.keys import ApiKeys
from gateway.accounts.register import Accounts, Terms
from gateway.accounts.secrets import secret_from
from gateway.accounts.tokens import issue
from gateway.app import running
from gateway.errors import Conflict
from gateway.imaging.png import encode_png
from gateway.settings import Settings
from gateway.storage.engine import open_database
from gateway.triton.canary import Canary
from tools.at_hand import free_ports
from tools.phantoms.canine_thorax import canine_thorax
from tools.phantoms.chest_film import chest_film_dicom

READY_SECONDS = 60.0
GENERATION_SECONDS = 1800.0
MEASURED = "measured_radiograph.png"


def demo(output: Path) -> int:
    """Run the demo; 0 when every API answered as it should."""
    output.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_demo(output.resolve()))


async def _demo(output: Path) -> int:
    console = Console()
    port, chest_xray_port, acr_port, maisi_port, admin_port, grpc_port, metrics_port = free_ports(7)
    settings = Settings(
        data_dir=output / "instance",
        port=port,
        chest_xray_port=chest_xray_port,
        acr_port=acr_port,
        maisi_port=maisi_port,
        admin_port=admin_port,
        triton_grpc_port=grpc_port,
        triton_metrics_port=metrics_port,
    )
    async with running(settings) as canary:
        await _ready(canary)
        token = issue("demo", secret=secret_from(None, settings.secret_file), days=1)
        answer = await _single_inference(chest_xray_port, token, output)
        measured = await _predict(port, await _demo_key(settings), output)
        volumes = await _generate(maisi_port, output)
    console.print_json(json.dumps(answer))
    console.print(f"Four files of the sample film: {output / 'DEMO-001'}")
    console.print_json(json.dumps(measured))
    console.print(f"The sample dog's radiograph, measured: {output / MEASURED}")
    console.print("Both are drawings: what the models make of them means nothing.")
    console.print(f"A synthetic CT with its mask: {', '.join(str(path) for path in volumes) or 'not made'}")
    went_well = answer["Result"] == "Success" and "result_code" in measured and volumes != []
    return 0 if went_well else 1


async def _single_inference(port: int, token: str, output: Path) -> dict[str, object]:
    film = output / "sample_film.dcm"
    film.write_bytes(chest_film_dicom(1, patient_id="DEMO-001", patient_name="Sample^Phantom"))
    body = {"input_image_path": str(film), "output_folder_path": str(output), "save_to_disk": True}
    async with (
        aiohttp.ClientSession(headers={"Authorization": token}) as session,
        session.post(f"http://127.0.0.1:{port}/single_inference", json=body) as response,
    ):
        answer: dict[str, object] = await response.json()
        return answer


async def _demo_key(settings: Settings) -> str:
    """Make a key of the demo's account, which is opened on its first run."""
    database = await open_database(settings.database)
    try:
        with contextlib.suppress(Conflict):
            await Accounts(database).create("demo", Terms())
        return (await ApiKeys(database).create("demo")).raw
    finally:
        await database.close()


async def _predict(port: int, key: str, output: Path) -> dict[str, Any]:
    """Measure a drawn thorax; the picture with the measurement goes into the folder."""
    radiograph = encode_png(canine_thorax(np.random.default_rng(1), long_side_px=1200).picture)
    (output / "sample_radiograph.png").write_bytes(radiograph)
    body = {"image": base64.b64encode(radiograph).decode(), "uuid": "DEMO-DOG", "render": True}
    async with (
        aiohttp.ClientSession(headers={"x-api-key": key}) as session,
        session.post(f"http://127.0.0.1:{port}/v3/predict", json=body) as response,
    ):
        answer: dict[str, Any] = await response.json()
    if rendered := answer.pop("rendered_image", None):
        (output / MEASURED).write_bytes(base64.b64decode(rendered))
    return answer


async def _generate(port: int, output: Path) -> list[Path]:
    """Generate a volume with its mask; both files go into the folder."""
    body = {
        "num_output_samples": 1,
        "body_region": ["abdomen"],
        "anatomy_list": ["liver", "spleen"],
        "output_size": [256, 256, 128],
        "spacing": [1.5, 1.5, 1.5],
        "seed": 1,
    }
    timeout = aiohttp.ClientTimeout(total=GENERATION_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(f"http://127.0.0.1:{port}/v1/maisi/run", json=body) as response,
    ):
        if response.status != 200:
            return []
        archive = await response.read()
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        opened.extractall(output)
        return [output / name for name in opened.namelist()]


async def _ready(canary: Canary) -> None:
    deadline = asyncio.get_running_loop().time() + READY_SECONDS
    while not all(canary.ready.values()):
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"the pipelines were not ready within {READY_SECONDS:g} s")
        await asyncio.sleep(0.1)
