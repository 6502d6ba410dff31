"""One film through Triton, four files into the patient's folder: all of `/single_inference`."""

import asyncio
import contextlib
import json
import logging
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timezone
from typing import Any, NamedTuple, TypeVar

import numpy as np

from gateway.apis.chest_xray import schema
from gateway.apis.chest_xray.canary import canary_film
from gateway.apis.chest_xray.films import Film, Prediction, as_patient, open_film, read_film
from gateway.apis.chest_xray.reports import ReportWorkers, content_of
from gateway.apis.chest_xray.schema import SingleInference
from gateway.apis.chest_xray.sets import (
    FileSet,
    Place,
    enter_output,
    file_set,
    of_patient,
    publish,
    with_images,
    with_paths,
)
from gateway.errors import InferenceFailed, InvalidImage, ModelUnavailable, OutputFailed
from gateway.files.output_set import OutputSet
from gateway.files.roots import Roots
from gateway.imaging.chest_xray import FINDINGS
from gateway.imaging.report import ReportContent
from gateway.metrics import STAGE_SECONDS, timed_stage
from gateway.triton.admission import INTERACTIVE, Admission
from gateway.triton.client import TritonClient
from gateway.web.mount import request_id

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

API = MODEL = "chest_xray"
CANARY_TIMEOUT_SECONDS = 10.0


async def _at_once() -> None:
    """Wait for nobody."""


class Terms(NamedTuple):
    """How one film stands to others."""

    priority: int = INTERACTIVE
    patience_seconds: float = 0.0
    """How much longer than its deadline it may wait for its turn at Triton."""
    turn: Callable[[], Awaitable[None]] = _at_once
    """Awaited when everything is ready to be written."""
    before_publication: Callable[[FileSet], None] = lambda files: None
    """Called, in a thread, when everything is written and nothing is in place."""


NOW = Terms()


class ChestXray:
    """The chest X-ray API's work.

    Parameters
    ----------
    input_roots, output_roots
        Where callers' paths may lie.
    admission
        The turnstile of `chest_xray`.
    timeout_seconds
        Deadline of one film, from its turn in the queue on.
    gate
        Refuse what does not look like a chest film.
    site
        Named on reports.

    Attributes
    ----------
    on_failure
        Called when the pipeline itself, not the film, was at fault.
    """

    def __init__(
        self,
        triton: TritonClient,
        reports: ReportWorkers,
        admission: Admission,
        *,
        input_roots: Roots,
        output_roots: Roots,
        timeout_seconds: float,
        gate: bool = True,
        site: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._triton = triton
        self._reports = reports
        self._input_roots = input_roots
        self._output_roots = output_roots
        self._admission = admission
        self._timeout_seconds = timeout_seconds
        self._gate = gate
        self._site = site
        self.on_failure: Callable[[], None] = lambda: None
        self._now = now
        self._new_id = new_id

    async def single_inference(self, asked: SingleInference) -> dict[str, Any] | None:
        """Assess one film; returns the `Data` of the answer.

        Raises
        ------
        InvalidRequest
            With the documented sentence.
        OutputFailed
            The output folder cannot be written.
        InvalidImage, InferenceFailed, ModelUnavailable, InferenceTimeout
            No prediction came.
        """
        with contextlib.ExitStack() as opened:
            with timed_stage(API, "open"):
                film = await to_its_end(open_film, opened, self._input_roots, asked)
            if asked.output_folder_path is None:
                return await asyncio.to_thread(with_images, await self._predict(film, NOW))
            prediction = await self.save(film, of_patient(asked.output_folder_path, film))
        return prediction if asked.returns_data else None

    async def save(self, film: Film, place: Place, terms: Terms | None = None) -> dict[str, Any]:
        """Assess an open film and put its four files in place; gives the documented prediction.

        Raises
        ------
        OutputFailed, InvalidImage, InferenceFailed, ModelUnavailable, InferenceTimeout
            No file was touched.
        """
        terms = terms or NOW
        async with self._output_set(place) as output:
            answer = await self._predict(film, terms)
            prediction = with_paths(answer.prediction, place)
            with timed_stage(API, "report"):
                report = await self._reports.build(self._report_content(answer))
            await terms.turn()
            files = file_set(prediction, answer, report)
            with timed_stage(API, "write"):
                await to_its_end(publish, output, place, files, terms.before_publication)
        return prediction

    async def canary(self) -> None:
        """Send the known film; see `gateway.triton.canary`."""
        answer = await self._infer(canary_film(), CANARY_TIMEOUT_SECONDS, gate=False)
        if [finding["name"] for finding in answer.prediction["findings"]] != list(FINDINGS):
            raise InferenceFailed("the canary film came back without its findings")

    def _report_content(self, answer: Prediction) -> ReportContent:
        return content_of(
            answer.prediction,
            answer.study,
            source_jpeg=answer.source_jpeg,
            heatmap_jpeg=answer.heatmap_jpeg,
            report_id=self._new_id(),
            generated_at=self._now(),
            site=self._site,
            processing_ms=answer.seconds * 1000,
        )

    async def _predict(self, film: Film, terms: Terms) -> Prediction:
        waiting = self._timeout_seconds + terms.patience_seconds
        async with self._admission.turn(priority=terms.priority, timeout_seconds=waiting) as left:
            # Read no sooner, so that films that wait their turn take no memory.
            dicom = await to_its_end(read_film, film.file)
            answer = await self._infer(dicom, min(left, self._timeout_seconds))
        return as_patient(answer, film.patient_id)

    async def _infer(self, dicom: bytes, timeout_seconds: float, *, gate: bool = True) -> Prediction:
        started = time.perf_counter()
        try:
            outputs = await self._triton.infer(
                MODEL,
                {"dicom": np.frombuffer(dicom, np.uint8)[np.newaxis]},
                parameters={"gate": "on" if gate and self._gate else "off"},
                request_id=request_id.get(),
                timeout_seconds=timeout_seconds,
            )
        except InvalidImage as error:
            # The contract's answer says no more than "internal error"; the operator may know. What came
            # instead of what was expected is the film's own, and may be anything.
            logger.info("film refused: %s", error.message.partition(", came ")[0])
            raise
        except (InferenceFailed, ModelUnavailable):
            self.on_failure()
            raise
        seconds = time.perf_counter() - started
        STAGE_SECONDS.labels(API, "infer").observe(seconds)
        return _prediction(outputs, seconds)

    @contextlib.asynccontextmanager
    async def _output_set(self, place: Place) -> AsyncIterator[OutputSet]:
        """Open the patient's folder before the inference: a folder that cannot be written costs none."""
        stack = contextlib.ExitStack()
        try:
            with timed_stage(API, "open_output"):
                output = await to_its_end(enter_output, stack, self._output_roots, place)
            yield output
        except OutputFailed as error:
            raise schema.output_failed(place.folder, error) from error
        finally:
            await asyncio.to_thread(stack.__exit__, *sys.exc_info())


async def to_its_end(function: Callable[..., Result], *arguments: Any) -> Result:
    """Run in a thread and stay until it is done, even when cut off: it still uses what is closed next."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


def _prediction(outputs: dict[str, np.ndarray], seconds: float) -> Prediction:
    return Prediction(
        prediction=json.loads(outputs["prediction"][0, 0]),
        study=json.loads(outputs["study"][0, 0]),
        heatmap_png=outputs["heatmap_png"].tobytes(),
        source_png=outputs["source_png"].tobytes(),
        heatmap_jpeg=outputs["heatmap_jpeg"].tobytes(),
        source_jpeg=outputs["source_jpeg"].tobytes(),
        seconds=seconds,
    )
