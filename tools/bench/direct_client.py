"""The strong other side of the benchmark: a gRPC client that writes the same four files itself."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from tritonclient.grpc.aio import InferenceServerClient, InferInput

from gateway.apis.chest_xray.reports import ReportWorkers, content_of
from gateway.settings import Settings


class DirectClient:
    """Calls Triton without the gateway, with NVIDIA's own client and the same report processes.

    It checks, authenticates, queues and isolates nothing, and writes its files in place, unflushed.
    """

    def __init__(self, client: InferenceServerClient, reports: ReportWorkers) -> None:
        self._client = client
        self._reports = reports

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, url: str) -> AsyncIterator["DirectClient"]:
        """Connect, with report processes of its own."""
        reports = ReportWorkers(Settings().report_workers)
        try:
            await reports.warm_up()
            async with InferenceServerClient(url) as client:
                yield cls(client, reports)
        finally:
            reports.close()

    async def assess(self, film: Path, output: Path, name: str) -> None:
        """Assess one film and write its four files."""
        dicom = np.frombuffer(await asyncio.to_thread(film.read_bytes), np.uint8)[np.newaxis]
        tensor = InferInput("dicom", dicom.shape, "UINT8")
        tensor.set_data_from_numpy(dicom)
        answer = await self._client.infer("chest_xray", [tensor], parameters={"gate": "off"})
        prediction = json.loads(answer.as_numpy("prediction")[0, 0])
        content = content_of(
            prediction,
            json.loads(answer.as_numpy("study")[0, 0]),
            source_jpeg=answer.as_numpy("source_jpeg").tobytes(),
            heatmap_jpeg=answer.as_numpy("heatmap_jpeg").tobytes(),
            report_id=name,
            generated_at=datetime.now(timezone.utc),
        )
        files = {
            "predictions.json": json.dumps(prediction, indent=2).encode(),
            "heatmap.png": answer.as_numpy("heatmap_png").tobytes(),
            "source_image.png": answer.as_numpy("source_png").tobytes(),
            "report.pdf": await self._reports.build(content),
        }
        await asyncio.to_thread(_write, output / name, name, files)


def _write(folder: Path, name: str, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, data in files.items():
        (folder / f"{name}_{suffix}").write_bytes(data)
