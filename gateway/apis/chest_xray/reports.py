"""PDF reports, built in processes of their own: the event loop stays free."""

import asyncio
import logging
import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from typing import Any, TypeVar

from gateway import __version__
from gateway.imaging import report
from gateway.imaging.chest_xray import Finding
from gateway.imaging.report import ReportContent
from gateway.processes import die_with_parent

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


def content_of(
    prediction: Mapping[str, Any],
    study: Mapping[str, Any],
    *,
    source_jpeg: bytes,
    heatmap_jpeg: bytes,
    report_id: str,
    generated_at: datetime,
    site: str = "",
    processing_ms: float | None = None,
) -> ReportContent:
    """Gather what a report says from the pipeline's two documents, both as the ensemble gives them."""
    metadata = prediction["metadata"]
    findings = (
        Finding(**line, assessed=assessed)
        for line, assessed in zip(prediction["findings"], study["assessed"], strict=True)
    )
    return ReportContent(
        report_id=report_id,
        generated_at=generated_at,
        product_version=__version__,
        result=prediction["result"],
        findings=tuple(findings),
        source_jpeg=source_jpeg,
        heatmap_jpeg=heatmap_jpeg,
        site=site,
        patient_id=metadata["patient_id"],
        patient_name=metadata["patient_name"],
        patient_age=metadata["age"],
        patient_sex=metadata["sex"],
        study_date=study["study_date"],
        modality=study["modality"],
        view_position=study["view_position"],
        accession_number=study["accession_number"],
        sop_instance_uid=metadata["sop_instance_uid"],
        lossy_image_compression=study["lossy"],
        model_name=study["model_name"],
        model_version=metadata["model_version"],
        model_hash=study["model_sha256"],
        operating_points=tuple(study["thresholds"]),
        image_notes=tuple(study["notes"]),
        processing_ms=processing_ms,
    )


class ReportWorkers:
    """A few processes that build reports.

    Parameters
    ----------
    workers
        How many.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool = self._new_pool()

    async def warm_up(self) -> None:
        """Start the processes and load their fonts before the first caller waits for them."""
        await asyncio.gather(*(self._run(report.warm_up) for _ in range(self._workers)))

    async def build(self, content: ReportContent) -> bytes:
        """Build one PDF; a worker that was killed is replaced, and its report built again."""
        pool = self._pool
        try:
            return await self._run(report.build_report, content)
        except BrokenProcessPool:
            if self._pool is pool:  # of the reports that broke together, the first replaces it
                logger.warning("a report worker died; starting new ones")
                self._pool = self._new_pool()
            return await self._run(report.build_report, content)

    def close(self) -> None:
        """End the processes once their reports are done."""
        self._pool.shutdown(cancel_futures=True)

    async def _run(self, function: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers, mp_context=multiprocessing.get_context("spawn"), initializer=die_with_parent
        )
