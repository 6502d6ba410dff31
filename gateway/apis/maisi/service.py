"""The work of the routes: check a request, hand it to the job engine, say how far it is, give its result."""

import asyncio
import re
import secrets
import uuid
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from gateway.accounts.vault import Vault
from gateway.apis.maisi.answers import KIND, Gone, Left, error_of, status_of
from gateway.apis.maisi.asked import Asked
from gateway.apis.maisi.folders import MaisiFolders
from gateway.apis.maisi.rules import faults_of
from gateway.apis.maisi.schema import InvalidRun, Run, fault
from gateway.errors import Conflict, ModelUnavailable, NotFound, OutputFailed, PeerRefused
from gateway.files.errors import PathMissing, PathRefused
from gateway.files.roots import Roots
from gateway.jobs.engine import JobEngine, JobState, JobStatus, Submission, job_id_of
from gateway.jobs.watching import watched
from gateway.outbound.upload import Uploads
from gateway.triton.admission import BULK, INTERACTIVE
from gateway.web.sse import CallerLeft, Event

API = QUEUE = "maisi"
LOOK_SECONDS = 0.5
"""How often it is looked whether a caller who waits is still there."""
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Maisi:
    """The API's work.

    Parameters
    ----------
    is_ready
        Whether the models are there.
    """

    def __init__(
        self,
        engine: JobEngine,
        vault: Vault,
        uploads: Uploads,
        output_roots: Roots,
        folders: MaisiFolders,
        *,
        max_samples: int,
        is_ready: Callable[[], bool],
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._uploads = uploads
        self._output_roots = output_roots
        self._folders = folders
        self._max_samples = max_samples
        self._stopping = asyncio.Event()
        self.is_ready = is_ready

    async def check(self, run: Run, account: str) -> None:
        """Find out all that can be known to be wrong before anything is generated.

        Raises
        ------
        InvalidRun
        OutputFailed
            `local_working_dir` cannot be written to.
        """
        faults = faults_of(run, max_samples=self._max_samples)
        if run.pre_signed_url:
            try:
                self._uploads.require_allowed(run.pre_signed_url, account)
            except PeerRefused as error:
                faults.append(fault("pre_signed_url", error.message))
        if run.local_working_dir:
            try:
                await asyncio.to_thread(self._require_writable, run.local_working_dir)
            except (PathRefused, PathMissing) as error:
                faults.append(fault("local_working_dir", f"local_working_dir: {error}."))
        if faults:
            raise InvalidRun(faults)

    async def submit(self, run: Run, account: str, *, is_awaited: bool) -> JobStatus:
        """Take a request that was checked.

        Raises
        ------
        ModelUnavailable
            The models are away, and the caller would wait in vain.
        """
        if is_awaited and not self.is_ready():
            raise ModelUnavailable("The MAISI model is not available at the moment.")
        external_id = uuid.uuid4().hex
        seed = secrets.randbits(32) if run.seed is None else run.seed
        secret = None
        if run.pre_signed_url:
            secret = self._vault.seal(run.pre_signed_url, job_id=job_id_of(API, account, external_id))
        submission = Submission(
            api=API,
            account=account,
            external_id=external_id,
            kind=KIND,
            request=Asked(run, seed, is_awaited).stored(),
            queue=QUEUE,
            priority=INTERACTIVE if is_awaited else BULK,
            secret=secret,
        )
        return (await self._engine.submit(submission)).status

    async def wait(self, job: JobStatus, look: Callable[[], None]) -> JobStatus:
        """Wait for a job's end, and raise what it failed by; where the caller leaves, it is cancelled.

        Parameters
        ----------
        look
            Raises CallerLeft where the caller is gone.

        Raises
        ------
        Left
        GatewayError
            What the job failed by.
        """
        end = asyncio.create_task(self._end_of(job))
        try:
            while not end.done():
                await asyncio.wait([end], timeout=LOOK_SECONDS)
                look()
        except CallerLeft:
            await self._engine.cancel(job.id, account=job.account)
            raise Left("The caller has left.") from None
        except asyncio.CancelledError:
            await self._engine.cancel(job.id, account=job.account)
            raise
        finally:
            end.cancel()
        job = end.result()
        if not job.ended:
            raise ModelUnavailable("This instance stops.")
        if job.state is not JobState.SUCCEEDED:
            raise Conflict("The request was cancelled.") if job.state is JobState.CANCELLED else error_of(job)
        return job

    async def status(self, job_id: str, account: str) -> JobStatus:
        """Look a job of this account up."""
        status = await self._engine.status(job_id, account=account) if _ID.fullmatch(job_id) else None
        if status is None or status.kind != KIND:
            raise NotFound("There is no such job.")
        return status

    async def cancel(self, job_id: str, account: str) -> JobStatus:
        """Ask a job to end; what it has made goes, also where it has ended."""
        job = await self.status(job_id, account)
        if job.ended:
            await asyncio.to_thread(self._folders.of(job.id).remove)
            return job
        return await self._engine.cancel(job_id, account=account)

    async def events(self, job_id: str, account: str) -> AsyncGenerator[Event, None]:
        """Give the status now and after each change; the last event is the end."""
        await self.status(job_id, account)
        async for status in watched(self._engine, job_id, account=account, until=self._stopping):
            yield Event("end" if status.ended else "progress", status_of(status))

    async def result(self, job_id: str, account: str) -> tuple[JobStatus, Path]:
        """Give the archive of a job that has succeeded.

        Raises
        ------
        NotFound, Conflict
            There is no such job; it has not ended.
        Gone
            It has been removed, or lies with another instance.
        """
        job = await self.status(job_id, account)
        if not job.ended:
            raise Conflict("The job has not ended.", retry_after_seconds=5)
        if job.state is not JobState.SUCCEEDED:
            raise Conflict("The job has no result: it was cancelled or failed.")
        archive = self._folders.of(job.id).archive
        if not await asyncio.to_thread(archive.is_file):
            raise Gone("The result is not here: it was delivered, or has been removed.")
        return job, archive

    def archive(self, job: JobStatus) -> Path:
        """Give where the archive of a job lies."""
        return self._folders.of(job.id).archive

    async def forget(self, job: JobStatus) -> None:
        """Remove what a job has made."""
        await asyncio.to_thread(self._folders.of(job.id).remove)

    async def stop_waiting(self) -> None:
        """Let everyone go who waits for a job: this instance stops."""
        self._stopping.set()

    async def _end_of(self, job: JobStatus) -> JobStatus:
        async for status in watched(self._engine, job.id, account=job.account, until=self._stopping):
            job = status
        return job

    def _require_writable(self, path: str) -> None:
        try:
            self._output_roots.open_output_folder(path).close()
        except OutputFailed as error:
            raise OutputFailed(f"local_working_dir: {error.message}", errno=error.errno) from None
