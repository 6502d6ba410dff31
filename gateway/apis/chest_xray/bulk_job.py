"""The work of one bulk job: open its folders, list the films, go on where the last attempt ended."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

from gateway.apis.chest_xray import schema
from gateway.apis.chest_xray.bulk_films import Attempt, BulkRequest, Folders
from gateway.apis.chest_xray.journal import Journal
from gateway.apis.chest_xray.service import ChestXray, to_its_end
from gateway.errors import GatewayError, OutputFailed
from gateway.files.folder import walk_files
from gateway.files.roots import Roots
from gateway.jobs.engine import JobCancelled, JobContext
from gateway.jobs.items import Items


class BulkWork:
    """The work of the job kind `chest_xray_bulk`.

    Parameters
    ----------
    in_flight
        Films between reading and writing at a time, of all jobs together.
    """

    def __init__(
        self, chest_xray: ChestXray, *, input_roots: Roots, output_roots: Roots, in_flight: int
    ) -> None:
        self._chest_xray = chest_xray
        self._input_roots = input_roots
        self._output_roots = output_roots
        self._slots = asyncio.Semaphore(in_flight)

    async def run(self, job_id: str, context: JobContext) -> dict[str, int]:
        """Work through the folder; gives how many films were done, skipped and failed."""
        asked = BulkRequest(**context.request)
        try:
            with contextlib.ExitStack() as opened:
                folders = await to_its_end(self._open, opened, asked)
                journal = await to_its_end(opened.enter_context, Journal(folders.target, job_id))
                items = await self._work_through(opened, folders, journal, context)
        except OutputFailed as error:
            raise schema.output_failed(asked.output_folder_path, error) from error
        return {
            "done": items.done - items.skipped - items.failed,
            "skipped": items.skipped,
            "failed": items.failed,
        }

    async def _work_through(
        self, opened: contextlib.ExitStack, folders: Folders, journal: Journal, context: JobContext
    ) -> Items:
        context.progress(phase="listing")
        items = await context.items(lambda: to_its_end(_listed, opened, folders.source_fd))
        context.progress(phase="assessing")
        attempt = Attempt(self._chest_xray, self._slots, context, folders, items, journal)
        try:
            await attempt.work_through()
        except (GatewayError, JobCancelled):
            with contextlib.suppress(OutputFailed):
                await _conclude(items, journal, keep=folders.asked.manifest)
            raise
        await _conclude(items, journal, keep=folders.asked.manifest)
        return items

    def _open(self, opened: contextlib.ExitStack, asked: BulkRequest) -> Folders:
        source_fd = self._input_roots.open_input_folder(asked.input_folder_path)
        opened.callback(os.close, source_fd)
        target = self._output_roots.open_output_folder(asked.output_folder_path)
        opened.callback(target.close)
        return Folders(asked, source_fd, target)


async def _conclude(items: Items, journal: Journal, *, keep: bool) -> None:
    """Write what is settled, and only then give up the journal."""
    await items.write()
    await asyncio.to_thread(journal.keep_as_manifest if keep else journal.remove)


def _listed(opened: contextlib.ExitStack, source_fd: int) -> Iterable[str]:
    """Walk the folder here and now, into a file: a list of any length takes no memory."""
    spool: IO[bytes] = opened.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    for name in walk_files(source_fd, suffix=".dcm"):
        spool.write(os.fsencode(name.replace("\n", "\0")) + b"\n")  # no name holds a zero byte
    spool.seek(0)
    return _names(spool)


def _names(spool: IO[bytes]) -> Iterator[str]:
    for line in spool:
        yield os.fsdecode(line[:-1]).replace("\0", "\n")
