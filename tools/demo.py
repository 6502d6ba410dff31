"""One call of each API on sample input made here; the results stay for a look."""

import asyncio
import json
from pathlib import Path

import aiohttp
from rich.console import Console

from gateway.accounts.secrets import secret_from
from gateway.accounts.tokens import issue
from gateway.app import running
from gateway.settings import Settings
from gateway.triton.canary import Canary
from tools.at_hand import free_ports
from tools.phantoms.chest_film import chest_film_dicom

READY_SECONDS = 60.0


def demo(output: Path) -> int:
    """Run the demo; 0 when every API answered as it should."""
    output.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_demo(output.resolve()))


async def _demo(output: Path) -> int:
    console = Console()
    port, chest_xray_port, acr_port, admin_port, grpc_port, metrics_port = free_ports(6)
    settings = Settings(
        data_dir=output / "instance",
        port=port,
        chest_xray_port=chest_xray_port,
        acr_port=acr_port,
        admin_port=admin_port,
        triton_grpc_port=grpc_port,
        triton_metrics_port=metrics_port,
    )
    async with running(settings) as canary:
        await _ready(canary)
        token = issue("demo", secret=secret_from(None, settings.secret_file), days=1)
        answer = await _single_inference(chest_xray_port, token, output)
    console.print_json(json.dumps(answer))
    console.print(f"Four files of the sample film: {output / 'DEMO-001'}")
    console.print("The film is a drawing: what the model makes of it means nothing.")
    return 0 if answer["Result"] == "Success" else 1


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


async def _ready(canary: Canary) -> None:
    deadline = asyncio.get_running_loop().time() + READY_SECONDS
    while not all(canary.ready.values()):
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"the pipelines were not ready within {READY_SECONDS:g} s")
        await asyncio.sleep(0.1)
