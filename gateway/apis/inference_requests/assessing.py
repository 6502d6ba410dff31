"""One instance through a model: prepared, inferred in its turn, made into results."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gateway.apis.inference_requests import steps
from gateway.apis.inference_requests.algorithms import Takes
from gateway.apis.inference_requests.steps import Made, NoImage
from gateway.errors import InferenceFailed, InvalidImage, ModelUnavailable
from gateway.imaging.errors import ImageError
from gateway.imaging.results import Model
from gateway.triton.admission import Admissions
from gateway.triton.client import TritonClient
from gateway.triton.isolation import Isolated

logger = logging.getLogger(__name__)

STEP_SECONDS = 120.0


class NotToBeAssessed(InvalidImage):
    """The instance is none of the images that a request is about."""


def new_workers(count: int) -> list[Isolated[Any]]:
    """Make worker processes; they start when they are first called."""
    return [Isolated(steps.run, seconds=STEP_SECONDS) for _ in range(count)]


class Work(NamedTuple):
    """What is the same for all instances of a job."""

    job_id: str
    model: str
    version: str
    takes: Takes
    priority: int
    at: str
    """When the job began with its results, ISO 8601: the same at each attempt."""


class Assessor:
    """Instances through models, so many at a time, whichever job they are of.

    Parameters
    ----------
    workers
        Processes that images may kill, one for each instance in work at a time; see `new_workers`.
    admissions
        The turnstiles of the models.
    gate
        Let `chest_xray` refuse what is no chest film.
    vhs_version
        What the `vhs` model calls itself; others are known by Triton's version.

    Attributes
    ----------
    on_failure
        Called with a model's name when the pipeline, not the image, was at fault.
    """

    def __init__(
        self,
        triton: TritonClient,
        workers: Sequence[Isolated[Any]],
        admissions: Admissions,
        *,
        timeout_seconds: float,
        gate: bool = True,
        vhs_version: str = "",
    ) -> None:
        self._triton = triton
        self._admissions = admissions
        # One place more than work that nobody waits for may take, for a request that goes first.
        self._in_flight = len(workers) + 1
        self._timeout_seconds = timeout_seconds
        self._gate = gate
        self._vhs_version = vhs_version
        self._workers: asyncio.LifoQueue[Isolated[Any]] = asyncio.LifoQueue()
        for worker in workers:
            self._workers.put_nowait(worker)
        self._threads = ThreadPoolExecutor(len(workers), "radgate-acr")
        self.on_failure: Callable[[str], None] = lambda model: None

    def close(self) -> None:
        """Wait until no worker is in use."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def assess(self, file: Path, number: int, work: Work) -> Made:
        """Assess one instance.

        Raises
        ------
        NotToBeAssessed
            It holds no image, or is a result itself.
        InvalidImage
            It is none that this model can assess.
        InferenceFailed, ModelUnavailable, InferenceTimeout
        """
        dicom = await asyncio.to_thread(file.read_bytes)
        try:
            async with self._worker() as call:
                inputs = await call("prepared", dicom, work.model, work.takes)
            outputs = await self._infer(inputs, work)
            model = Model(work.model, self._version(work))
            async with self._worker() as call:
                made: Made = await call("made", dicom, outputs, model, work.job_id, work.at, number)
        except NoImage as error:
            raise NotToBeAssessed(str(error)) from error
        except (ImageError, InvalidImage) as error:
            # What came instead of what was expected is the image's own, and may be anything.
            raise InvalidImage(str(error).partition(", came ")[0]) from error
        return made

    async def _infer(self, inputs: dict[str, np.ndarray], work: Work) -> dict[str, np.ndarray]:
        admission = self._admissions.of(work.model, in_flight=self._in_flight)
        async with admission.turn(priority=work.priority, timeout_seconds=24 * 3600.0):
            try:
                return await self._triton.infer(
                    work.model,
                    inputs,
                    version=work.version,
                    parameters=self._parameters(work.model),
                    request_id=work.job_id,
                    timeout_seconds=self._timeout_seconds,
                )
            except (InferenceFailed, ModelUnavailable):
                self.on_failure(work.model)
                raise

    def _parameters(self, model: str) -> dict[str, str]:
        return {"gate": "on" if self._gate else "off"} if model == "chest_xray" else {}

    def _version(self, work: Work) -> str:
        return work.version or (self._vhs_version if work.model == "vhs" else "") or "newest"

    @contextlib.asynccontextmanager
    async def _worker(self) -> AsyncIterator[Callable[..., Any]]:
        """Hold a worker process."""
        worker = await self._workers.get()
        loop = asyncio.get_running_loop()

        async def call(*arguments: Any) -> Any:
            done = loop.run_in_executor(self._threads, worker, *arguments)
            try:
                return await asyncio.shield(done)
            except asyncio.CancelledError:
                await asyncio.wait([done])  # it holds the worker until then
                raise

        try:
            yield call
        finally:
            self._workers.put_nowait(worker)
