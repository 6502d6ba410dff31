"""The work of `/bulk_inference`: check the folders, hand them to the job engine, say how far it is."""

import asyncio
import contextlib
import hashlib
import json
import os
import re
from collections.abc import AsyncGenerator

from gateway.apis.chest_xray import schema
from gateway.apis.chest_xray.bulk_films import BulkRequest
from gateway.apis.chest_xray.schema import BulkInference
from gateway.errors import Conflict, GatewayError, InvalidRequest, NotFound, OutputFailed
from gateway.files.errors import PathMissing, PathRefused
from gateway.files.folder import walk_files
from gateway.files.roots import Roots
from gateway.jobs.engine import JobEngine, JobState, JobStatus, Submission
from gateway.jobs.watching import watched
from gateway.web.sse import Event

API = "chest_xray"
KIND = QUEUE = "chest_xray_bulk"
ID = re.compile(r"[0-9a-f-]{36}")


class Bulk:
    """The bulk half of the chest X-ray API.

    Parameters
    ----------
    studies
        Give each film of a patient files of its own; by the contract the last one's stay.
    manifest
        Leave a manifest in the output folder, also where the request does not ask for it.
    """

    def __init__(
        self,
        engine: JobEngine,
        *,
        input_roots: Roots,
        output_roots: Roots,
        studies: bool = False,
        manifest: bool = False,
    ) -> None:
        self._engine = engine
        self._input_roots = input_roots
        self._output_roots = output_roots
        self._studies = studies
        self._manifest = manifest
        self._stopping = asyncio.Event()

    async def start(self, asked: BulkInference, account: str) -> JobStatus:
        """Begin a job, or join the one that is at work on the same folders.

        Raises
        ------
        InvalidRequest, OutputFailed
            With the documented sentence.
        """
        await asyncio.to_thread(self._check, asked)
        request = BulkRequest(
            _normal(asked.input_folder_path),
            _normal(asked.output_folder_path),
            manifest=self._manifest if asked.manifest is None else asked.manifest,
            studies=self._studies,
            resume=asked.resume,
        )
        return await self._submit(request, account)

    async def wait(self, job: JobStatus) -> JobStatus:
        """Wait for a job's end, and raise what it failed by; the job does not depend on who waits.

        Raises
        ------
        OutputFailed
            With the documented sentence.
        GatewayError
            Anything else, or this instance stops.
        """
        async for status in watched(self._engine, job.id, account=job.account, until=self._stopping):
            job = status
        if not job.ended:
            raise GatewayError("the instance stops; the job goes on when it starts again")
        if job.state is JobState.FAILED and job.error is not None:
            if job.error.code == OutputFailed.code:
                raise OutputFailed(job.error.message)
            raise GatewayError(job.error.message)
        return job

    async def status(self, job_id: str, account: str) -> JobStatus:
        """Look a job of this account up."""
        status = await self._engine.status(job_id, account=account) if ID.fullmatch(job_id) else None
        if status is None or status.kind != KIND:
            raise NotFound("no such job")
        return status

    async def cancel(self, job_id: str, account: str) -> JobStatus:
        """Ask a job to end; films that are in work are finished first."""
        await self.status(job_id, account)
        return await self._engine.cancel(job_id, account=account)

    async def events(self, job_id: str, account: str) -> AsyncGenerator[Event, None]:
        """Give the status now and after each change; the last event is the end."""
        await self.status(job_id, account)
        async for status in watched(self._engine, job_id, account=account, until=self._stopping):
            yield Event("end" if status.ended else "progress", schema.bulk_status(status))

    async def stop_waiting(self) -> None:
        """Let everyone go who waits for a job: this instance stops, and jobs may take hours."""
        self._stopping.set()

    def _check(self, asked: BulkInference) -> None:
        """Check both folders, in the documented order; the one for output is made."""
        path = asked.input_folder_path
        with contextlib.ExitStack() as opened:
            fd = self._open_input(path)
            opened.callback(os.close, fd)
            with contextlib.closing(walk_files(fd, suffix=".dcm")) as films:
                if next(films, None) is None:
                    raise InvalidRequest(schema.NO_IMAGES)
        path = asked.output_folder_path
        try:
            self._output_roots.open_output_folder(path).close()
        except (PathRefused, PathMissing) as error:
            raise schema.invalid_path("output_folder_path", path) from error
        except OutputFailed as error:
            raise schema.output_failed(path, error) from error

    def _open_input(self, path: str) -> int:
        try:
            return self._input_roots.open_input_folder(path)
        except PathRefused as error:
            raise schema.invalid_path("input_folder_path", path) from error
        except PathMissing as error:
            raise InvalidRequest(self._missing(path)) from error

    def _missing(self, path: str) -> str:
        # What lies there and is refused is a file all the same, though not one that could be read.
        with contextlib.suppress(PathRefused):
            try:
                self._input_roots.open_input(path.rstrip("/")).close()
            except PathMissing:
                return f"Input folder path does not exist: {schema.shown(path)}"
        return f"Input folder path is not a directory: {schema.shown(path)}"

    async def _submit(self, request: BulkRequest, account: str) -> JobStatus:
        folders = json.dumps([request.input_folder_path, request.output_folder_path])
        prefix = f"{hashlib.sha256(folders.encode()).hexdigest()[:32]}-"
        latest = await self._engine.latest(API, account=account, prefix=prefix)
        if latest is not None and not latest.ended:
            return latest
        run = 1 if latest is None else int(latest.external_id.removeprefix(prefix)) + 1
        submission = Submission(
            api=API,
            account=account,
            external_id=f"{prefix}{run:08}",
            kind=KIND,
            request=request._asdict(),
            queue=QUEUE,
        )
        try:
            return (await self._engine.submit(submission)).status
        except Conflict:  # another caller began it a moment ago, with other options
            return await self._engine.status(submission.job_id, account=account)


def _normal(path: str) -> str:
    """Spell a path as its other spellings: doubled and trailing slashes mean nothing."""
    return "/" + os.path.normpath(path).lstrip("/")
