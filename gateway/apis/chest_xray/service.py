"""The work of `/single_inference`: one film through Triton, four files into the patient's folder."""

import asyncio
import base64
import contextlib
import json
import logging
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timezone
from typing import Any, NamedTuple, TypeVar

import numpy as np
from pydicom import Dataset

from gateway.apis.chest_xray import schema
from gateway.apis.chest_xray.canary import canary_film
from gateway.apis.chest_xray.reports import ReportWorkers, content_of
from gateway.apis.chest_xray.schema import SingleInference
from gateway.errors import InferenceFailed, InvalidImage, InvalidRequest, ModelUnavailable, OutputFailed
from gateway.files.errors import FileTooLarge, PathMissing, PathRefused
from gateway.files.names import folder_name
from gateway.files.output_set import OutputSet
from gateway.files.reading import OpenedFile, read_bounded, read_prefix
from gateway.files.roots import Roots
from gateway.imaging.chest_xray import FINDINGS
from gateway.imaging.dicom import MAX_FILE_BYTES, MAX_HEADER_BYTES, read_header, read_patient_id
from gateway.imaging.errors import ImageError
from gateway.imaging.report import ReportContent
from gateway.metrics import STAGE_SECONDS
from gateway.triton.admission import INTERACTIVE, Admission
from gateway.triton.client import TritonClient
from gateway.web.mount import request_id

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

API = MODEL = "chest_xray"
CANARY_TIMEOUT_SECONDS = 10.0
USUAL_HEADER_BYTES = 256 * 1024


class Prediction(NamedTuple):
    """What the `chest_xray` ensemble gives for one film."""

    prediction: dict[str, Any]
    """The documented prediction, without the two image paths."""
    study: dict[str, Any]
    """What the report states beyond it."""
    heatmap_png: bytes
    source_png: bytes
    heatmap_jpeg: bytes
    source_jpeg: bytes
    seconds: float


class ChestXray:
    """The chest X-ray API's work.

    Parameters
    ----------
    input_roots, output_roots
        Where callers' paths may lie.
    in_flight
        Films in Triton at a time.
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
        *,
        input_roots: Roots,
        output_roots: Roots,
        in_flight: int,
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
        self._admission = Admission(MODEL, in_flight=in_flight)
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
            with _stage("open"):
                film = await _to_its_end(_open_film, opened, self._input_roots, asked)
            if asked.output_folder_path is None:
                return await asyncio.to_thread(_with_images, await self._predict(film))
            name = folder_name(film.patient_id)
            async with self._output_set(asked.output_folder_path, name) as output:
                answer = await self._predict(film)
                prediction = _with_paths(answer.prediction, asked.output_folder_path, name)
                with _stage("report"):
                    report = await self._reports.build(self._report_content(answer))
                with _stage("write"):
                    await _to_its_end(_publish, output, name, prediction, answer, report)
        return prediction if asked.returns_data else None

    async def infer(self, dicom: bytes, *, priority: int = INTERACTIVE) -> Prediction:
        """Send a DICOM file's bytes through the ensemble, when its turn comes."""
        async with self._admission.turn(priority=priority, timeout_seconds=self._timeout_seconds) as left:
            return await self._infer(dicom, left)

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

    async def _predict(self, film: "Film") -> Prediction:
        async with self._admission.turn(timeout_seconds=self._timeout_seconds) as left:
            # Read no sooner, so that films that wait their turn take no memory.
            dicom = await _to_its_end(_read_film, film.file)
            answer = await self._infer(dicom, left)
        return _as_patient(answer, film.patient_id)

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
            # The contract's answer says no more than "internal error"; the operator may know.
            logger.info("film refused: %s", error.message)
            raise
        except (InferenceFailed, ModelUnavailable):
            self.on_failure()
            raise
        seconds = time.perf_counter() - started
        STAGE_SECONDS.labels(API, "infer").observe(seconds)
        return _prediction(outputs, seconds)

    @contextlib.asynccontextmanager
    async def _output_set(self, path: str, name: str) -> AsyncIterator[OutputSet]:
        """Open the patient's folder before the inference: a folder that cannot be written costs none."""
        stack = contextlib.ExitStack()
        try:
            with _stage("open_output"):
                output = await _to_its_end(_enter_output, stack, self._output_roots, path, name)
            yield output
        except OutputFailed as error:
            raise OutputFailed(f"Unable to create output folder: {schema.shown(path)}") from error
        finally:
            await asyncio.to_thread(stack.__exit__, *sys.exc_info())


async def _to_its_end(function: Callable[..., Result], *arguments: Any) -> Result:
    """Run in a thread and stay until it is done, even when cut off: it still uses what is closed next."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


class Film(NamedTuple):
    """A DICOM file that passed the documented checks."""

    file: OpenedFile
    patient_id: str


def _open_film(opened: contextlib.ExitStack, roots: Roots, asked: SingleInference) -> Film:
    path = asked.input_image_path
    try:
        file = opened.enter_context(roots.open_input(path))
    except PathRefused as error:
        raise schema.invalid_path("input_image_path", path) from error
    except PathMissing as error:
        raise InvalidRequest(f"Input image path does not exist: {schema.shown(path)}") from error
    if not path.lower().endswith(".dcm"):
        raise InvalidRequest(f"Requested image is not a DICOM file: {schema.shown(path)}")
    return Film(file, _patient_id(file, path, asked.patient_id))


def _patient_id(file: OpenedFile, path: str, given: str | None) -> str:
    try:
        header = _header(file)
    except ImageError as error:
        message = f"Invalid DICOM image, unable to fetch patient ID: {schema.shown(path)}"
        raise InvalidRequest(message) from error
    patient_id = given or read_patient_id(header)
    if not patient_id:
        raise InvalidRequest(f"Patient ID is empty or None: {schema.shown(path)}")
    return patient_id


def _header(file: OpenedFile) -> Dataset:
    """Read the header out of the file's beginning; only a header with an icon in it takes a second look."""
    try:
        return read_header(read_prefix(file.fd, USUAL_HEADER_BYTES))
    except ImageError:
        if file.size <= USUAL_HEADER_BYTES:
            raise
        return read_header(read_prefix(file.fd, MAX_HEADER_BYTES))


def _read_film(file: OpenedFile) -> bytes:
    try:
        return read_bounded(file.fd, MAX_FILE_BYTES)
    except FileTooLarge as error:
        raise InvalidImage(error.message) from error


def _enter_output(stack: contextlib.ExitStack, roots: Roots, path: str, name: str) -> OutputSet:
    try:
        folder = stack.enter_context(roots.open_output_folder(path))
    except (PathRefused, PathMissing) as error:
        raise schema.invalid_path("output_folder_path", path) from error
    return stack.enter_context(OutputSet(folder, name, marker=f"{name}_predictions.json"))


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


def _as_patient(answer: Prediction, patient_id: str) -> Prediction:
    """State the patient ID that names the folder, which the caller may have given."""
    metadata = {**answer.prediction["metadata"], "patient_id": patient_id}
    return answer._replace(prediction={**answer.prediction, "metadata": metadata})


def _with_paths(prediction: dict[str, Any], folder: str, name: str) -> dict[str, Any]:
    # POSIX leaves a double slash at the start its own meaning, and normpath leaves it standing.
    stem = os.path.join("/" + os.path.normpath(folder).lstrip("/"), name, name)
    return _in_order(prediction, f"{stem}_source_image.png", f"{stem}_heatmap.png")


def _with_images(answer: Prediction) -> dict[str, Any]:
    images = (base64.b64encode(png).decode() for png in (answer.source_png, answer.heatmap_png))
    return _in_order(answer.prediction, *images)


def _in_order(prediction: dict[str, Any], source_image: str, heatmap: str) -> dict[str, Any]:
    """Put the keys in the documented order."""
    return {
        "result": prediction["result"],
        "findings": prediction["findings"],
        "source_image": source_image,
        "heatmap": heatmap,
        "metadata": prediction["metadata"],
    }


def _publish(
    output: OutputSet, name: str, prediction: dict[str, Any], answer: Prediction, report: bytes
) -> None:
    document = json.dumps(prediction, indent=2, ensure_ascii=False)
    output.write(f"{name}_predictions.json", document.encode(errors="replace"))
    output.write(f"{name}_heatmap.png", answer.heatmap_png)
    output.write(f"{name}_source_image.png", answer.source_png)
    output.write(f"{name}_report.pdf", report)
    output.publish()


@contextlib.contextmanager
def _stage(stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    STAGE_SECONDS.labels(API, stage).observe(time.perf_counter() - started)
