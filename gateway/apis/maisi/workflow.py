"""The work of one request: volume by volume through the model, then to where the results are wanted.

It bears being begun again: a volume whose record is in the job's folder is complete, and one that was
interrupted is made again from the same seed, under the same name, to the same bytes.
"""

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timezone
from typing import Any, Literal, NamedTuple, TypeVar

from gateway.accounts.vault import Vault
from gateway.apis.maisi import files
from gateway.apis.maisi.answers import Impossible, NoSpace
from gateway.apis.maisi.asked import Asked
from gateway.apis.maisi.files import Layout, Sample
from gateway.apis.maisi.folders import MaisiFolder, MaisiFolders, SampleFolder
from gateway.apis.maisi.receiving import MODEL, Progress, Received, Receiver
from gateway.errors import GatewayError, InferenceFailed, InvalidImage, ModelUnavailable, OutputFailed
from gateway.files.placing import put_in_place
from gateway.files.roots import Roots
from gateway.imaging.results import Model, Stamp
from gateway.jobs.engine import JobCancelled, JobContext
from gateway.metrics import MAISI_VOLUMES, STAGE_SECONDS
from gateway.outbound.upload import Uploads
from gateway.triton.admission import BULK, INTERACTIVE, Admission
from gateway.triton.client import TritonClient

T = TypeVar("T")

LOOK_SECONDS = 0.5
"""How often a running call looks whether it is still wanted."""
DAY_SECONDS = 24 * 3600.0
UNAVAILABLE_SECONDS = 600.0
"""How long Triton may be away before a job for which nobody waits fails."""
UNAVAILABLE_PAUSE_SECONDS = 1.0
BYTES_PER_VOXEL = 9
"""Raw voxels, files that hardly compress, and the same in the archive."""


class Parts(NamedTuple):
    """What the workflow works with."""

    triton: TritonClient
    admission: Admission
    vault: Vault
    uploads: Uploads
    output_roots: Roots
    folders: MaisiFolders
    in_flight: int
    timeout_seconds: float
    quality_tries: int
    voxel_type: Literal["int16", "float32"]
    dcm_layout: Layout
    on_failure: Callable[[], None]
    """Called when the pipeline, not the request, was at fault."""


class Workflow:
    """The work of the job kind `maisi`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def run(self, job_id: str, context: JobContext) -> dict[str, Any]:
        """Bring a request to its end; what it kept on disk goes then, unless it waits to be fetched."""
        folder, asked = self._parts.folders.of(job_id), Asked.of(context.request)
        try:
            if asked.is_awaited and context.attempt > 1 and not self._is_delivered(asked, context):
                raise JobCancelled  # its caller's connection went with the process that held it
            result = await _Attempt(self._parts, job_id, context, folder, asked).work()
        except (GatewayError, JobCancelled):
            await asyncio.to_thread(folder.remove)
            raise
        if self._is_delivered(asked, context):
            await asyncio.to_thread(folder.remove)
        return {**result, "is_kept": not self._is_delivered(asked, context)}

    @staticmethod
    def _is_delivered(asked: Asked, context: JobContext) -> bool:
        return bool(context.secret or asked.run.local_working_dir)


class _Attempt:
    """One attempt at a job."""

    def __init__(
        self, parts: Parts, job_id: str, context: JobContext, folder: MaisiFolder, asked: Asked
    ) -> None:
        self._parts = parts
        self._job_id = job_id
        self._context = context
        self._folder = folder
        self._asked = asked
        self._size = asked.run.output_size
        self._done = 0
        self._began = datetime.now(timezone.utc)

    async def work(self) -> dict[str, Any]:
        """Make all volumes and deliver them; gives the job's result."""
        self._began = datetime.fromisoformat(await self._context.step("began", _now))
        count = self._asked.run.num_output_samples
        self._context.progress(phase="generating", total=count, done=0)
        try:
            await asyncio.to_thread(self._make_room)
            records = await self._wanted(self._all(count))
            delivered = await self._context.step("delivered", lambda: self._wanted(self._deliver(count)))
        except OSError as error:
            raise _on_disk(error) from None
        return {"samples": records, "seed": self._asked.seed, **delivered}

    def _make_room(self) -> None:
        self._folder.make()
        x, y, z = self._size
        needed = x * y * z * BYTES_PER_VOXEL * self._asked.run.num_output_samples
        if self._parts.folders.free_bytes() < needed:
            raise NoSpace(
                f"The volumes need about {needed / 1e9:.1f} GB of disk space, which is not free at present."
            )

    async def _all(self, count: int) -> list[dict[str, Any]]:
        slots = asyncio.Semaphore(self._parts.in_flight)

        async def one(index: int) -> dict[str, Any]:
            async with slots:
                return await self._sample(index)

        tasks = [asyncio.create_task(one(index)) for index in range(count)]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _sample(self, index: int) -> dict[str, Any]:
        folder = self._folder.sample(index)
        record = await asyncio.to_thread(folder.record)
        if record is None:
            record = await self._make(index, folder)
        self._done += 1
        self._context.progress(done=self._done)
        return record

    async def _make(self, index: int, folder: SampleFolder) -> dict[str, Any]:
        """Make a volume, with other seeds until it passes quality control; the last one is kept as it is."""
        for attempt in range(self._parts.quality_tries):
            await asyncio.to_thread(folder.begin)
            seed = self._asked.sample_seed(index, attempt)
            received = await self._patiently(lambda seed=seed: self._receive(index, seed, folder))  # type: ignore[misc]
            has_passed = received.quality.get("passed", True)
            MAISI_VOLUMES.labels("passed" if has_passed else "failed").inc()
            if has_passed:
                break
        sample = self._described(index, seed, received)
        since = time.perf_counter()
        self._say(index, seed, Progress("files", 0, 1))
        await _to_its_end(files.write_files, folder, sample)
        STAGE_SECONDS.labels(MODEL, "files").observe(time.perf_counter() - since)
        record = {
            "name": sample.name,
            "seed": seed,
            "attempts": attempt + 1,
            "quality_passed": has_passed,
            "model": received.model,
            "stage_seconds": {**received.stage_seconds, "files": round(time.perf_counter() - since, 3)},
        }
        await asyncio.to_thread(folder.end, record)
        return record

    def _described(self, index: int, seed: int, received: Received) -> Sample:
        model = Model(
            str(received.model.get("name") or MODEL), str(received.model.get("version") or "unknown")
        )
        return Sample(
            self._asked.run,
            self._asked.sample_name(index, self._began),
            seed,
            model,
            received.quality,
            Stamp(self._job_id, self._began, index + 1),
            self._parts.voxel_type,
            self._parts.dcm_layout,
        )

    async def _receive(self, index: int, seed: int, folder: SampleFolder) -> Received:
        priority = INTERACTIVE if self._asked.is_awaited else BULK
        x, y, z = self._size
        receiver = Receiver(folder, (x, y, z), on_progress=lambda progress: self._say(index, seed, progress))
        async with self._parts.admission.turn(priority=priority, timeout_seconds=DAY_SECONDS):
            try:
                return await receiver.receive(
                    self._parts.triton,
                    self._asked.tensor(seed),
                    request_id=self._job_id,
                    timeout_seconds=self._parts.timeout_seconds,
                )
            except InvalidImage as error:
                raise Impossible(error.message) from error
            except (InferenceFailed, ModelUnavailable):
                self._parts.on_failure()
                raise

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Wait for a Triton that is away, unless a caller waits, who is told at once."""
        deadline = time.monotonic() + (0 if self._asked.is_awaited else UNAVAILABLE_SECONDS)
        while True:
            try:
                return await call()
            except ModelUnavailable:
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(UNAVAILABLE_PAUSE_SECONDS)

    async def _deliver(self, count: int) -> dict[str, Any]:
        self._context.progress(phase="delivering")
        made = await asyncio.to_thread(self._folder.files, count)
        run = self._asked.run
        if run.local_working_dir:
            await _to_its_end(self._put_in_place, run.local_working_dir, made)
        else:
            await _to_its_end(files.write_archive, self._folder.archive, made, self._began)
        if self._context.secret:
            url = self._parts.vault.open(self._context.secret, job_id=self._job_id)
            await self._parts.uploads.put(
                self._folder.archive, url, account=self._context.account, content_type="application/zip"
            )
        return {"files": [path.name for path in made]}

    def _put_in_place(self, path: str, made: list[Any]) -> None:
        with self._parts.output_roots.open_output_folder(path) as folder:
            put_in_place(folder, made)

    async def _wanted(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something for as long as someone wants it."""
        task = asyncio.create_task(work)
        try:
            while not task.done():
                if self._context.is_cancelled():
                    raise JobCancelled
                await asyncio.wait([task], timeout=LOOK_SECONDS)
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _say(self, index: int, seed: int, progress: Progress) -> None:
        detail = {"sample": index + 1, "seed": seed, **progress._asdict()}
        self._context.progress(detail=detail)


def _on_disk(error: OSError) -> GatewayError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace("The disk is full.")
    return OutputFailed("The volumes could not be written.", errno=error.errno)


async def _to_its_end(function: Callable[..., T], *arguments: Any) -> T:
    """Run something in a thread; when cancelled, first wait for its end, for the folder is its until then."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


async def _now() -> str:
    return datetime.now(timezone.utc).isoformat()
