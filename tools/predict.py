"""Assess chest films from the command line, through the same service as the API."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from gateway.apis.chest_xray.reports import ReportWorkers
from gateway.apis.chest_xray.schema import SingleInference
from gateway.apis.chest_xray.service import MODEL, ChestXray
from gateway.errors import GatewayError
from gateway.files.roots import Roots
from gateway.settings import Settings
from gateway.triton.admission import Admission
from tools.at_hand import triton_at_hand

IN_FLIGHT = 4


def predict(files: Sequence[Path], output: Path | None, *, as_json: bool) -> int:
    """Assess films; 0 when all were, 1 when one could not be."""
    results = asyncio.run(_predict_all(files, output, quiet=as_json))
    if as_json:
        print(json.dumps(results, indent=2))
    else:
        Console().print(_table(results))
    return int(any("error" in result for result in results))


async def _predict_all(files: Sequence[Path], output: Path | None, *, quiet: bool) -> list[dict[str, Any]]:
    settings = Settings()
    reports = ReportWorkers(settings.report_workers)
    try:
        async with triton_at_hand(settings, MODEL) as triton:
            service = ChestXray(
                triton,
                reports,
                Admission(MODEL, in_flight=IN_FLIGHT),
                input_roots=Roots(),
                output_roots=Roots(),
                timeout_seconds=settings.chest_xray_timeout_seconds,
                gate=settings.chest_xray_gate,
                site=settings.site,
            )
            with Progress(disable=quiet or len(files) < 2, transient=True) as progress:
                return await _each(service, files, output, progress)
    finally:
        reports.close()


async def _each(
    service: ChestXray, files: Sequence[Path], output: Path | None, progress: Progress
) -> list[dict[str, Any]]:
    places = asyncio.Semaphore(2 * IN_FLIGHT)
    task = progress.add_task("Films", total=len(files))

    async def one(file: Path) -> dict[str, Any]:
        async with places:
            result = await _assess(service, file, output)
        progress.advance(task)
        return result

    return list(await asyncio.gather(*map(one, files)))


async def _assess(service: ChestXray, file: Path, output: Path | None) -> dict[str, Any]:
    # A person names files by any path; links are followed here, before the API's strict rules apply.
    folder = str(output.resolve()) if output else None
    asked = SingleInference(str(file.resolve()), folder, output is not None, True, None)
    try:
        data = await service.single_inference(asked)
    except GatewayError as error:
        return {"file": str(file), "error": error.message}
    assert data is not None
    if output is None:
        del data["source_image"], data["heatmap"]
    return {"file": str(file), **data}


def _table(results: Sequence[dict[str, Any]]) -> Table:
    table = Table("File", "Result", "Findings", title="Not for clinical use")
    for result in results:
        file = escape(result["file"])  # [brackets] in a name are no markup
        if "error" in result:
            table.add_row(file, "[red]not assessed[/red]", escape(result["error"]))
            continue
        present = [f"{f['name']} {f['confidence']:.2f}" for f in result["findings"] if f["presence"]]
        table.add_row(file, result["result"], ", ".join(present) or "none")
    return table
