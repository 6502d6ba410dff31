"""The films of one bulk job: several at a time, each to its end, in the order that same patients need.

Films are opened in their order, and several are then in work at a time, each as `/single_inference`
would do it. A film waits before it is written until the last one of the same patient is through, so
that the last in order stays. What is in memory is bounded by the films in flight.
"""

import asyncio
import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.apis.chest_xray.films import Film, open_listed_film
from gateway.apis.chest_xray.journal import WORDS, Intent, Journal
from gateway.apis.chest_xray.progress import Settlements
from gateway.apis.chest_xray.service import ChestXray, Terms, to_its_end
from gateway.apis.chest_xray.sets import FileSet, Place, is_complete, of_patient, of_study
from gateway.errors import (
    GatewayError,
    InferenceFailed,
    InferenceTimeout,
    InvalidRequest,
    ModelUnavailable,
    OutputFailed,
)
from gateway.files.output_folder import OutputFolder
from gateway.jobs.engine import JobCancelled, JobContext
from gateway.jobs.items import Item, Items, Outcome
from gateway.triton.admission import BULK
from gateway.web.mount import request_id

PATIENCE_SECONDS = 3600.0
"""How long a film may wait for its turn at Triton while interactive requests go first."""
UNAVAILABLE_SECONDS = 600.0
"""How long Triton may be away before the job fails."""
PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Between attempts at a film that Triton answered badly; a restart of Triton takes a few seconds."""
_OF_ONE_PATIENT = {
    errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENOTEMPTY,
    errno.EBUSY, errno.ENAMETOOLONG, errno.ETIMEDOUT,
}  # fmt: skip


class BulkRequest(NamedTuple):
    """What a bulk job is asked to do; the keys of its stored request."""

    input_folder_path: str
    output_folder_path: str
    manifest: bool
    studies: bool
    resume: bool


class Folders(NamedTuple):
    """What was asked, and its two folders, opened."""

    asked: BulkRequest
    source_fd: int
    target: OutputFolder


class Ending(NamedTuple):
    """How a film ended, and why if not well."""

    outcome: Outcome
    reason: str = ""
    outputs: tuple[str, ...] = ()


class Attempt:
    """One attempt at a job."""

    def __init__(
        self,
        chest_xray: ChestXray,
        slots: asyncio.Semaphore,
        context: JobContext,
        folders: Folders,
        items: Items,
        journal: Journal,
    ) -> None:
        self._chest_xray = chest_xray
        self._slots = slots
        self._context = context
        self._folders = folders
        self._items = items
        self._journal = journal
        self._place: Callable[[str, Film], Place] = of_study if folders.asked.studies else of_patient
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_of: dict[Place, asyncio.Task[None]] = {}
        self._settlements = Settlements(items, journal, context)

    async def work_through(self) -> None:
        """Bring every item that is open to its end."""
        try:
            async for item in self._items.pending():
                if self._context.is_cancelled():
                    break
                await self._begin(item)
                self._raise_faults()
            while self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                self._raise_faults()
        finally:
            await self._stop()
        await self._settlements.write()
        if self._context.is_cancelled():
            raise JobCancelled

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _raise_faults(self) -> None:
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            task.result()

    async def _begin(self, item: Item) -> None:
        await self._slots.acquire()
        started = time.monotonic()
        opened = contextlib.ExitStack()
        opened.callback(self._slots.release)
        try:
            known = self._journal.ended(item.number)
            if known is not None:
                await self._settlements.note(item, known)
                return
            film = await to_its_end(open_listed_film, opened, self._folders.source_fd, item.name)
            self._start(item, opened.pop_all(), film, started)
        except (InvalidRequest, OSError) as error:
            await self._end(item, Ending(Outcome.SKIPPED, _words(error)), started)
        finally:
            opened.close()

    def _start(self, item: Item, opened: contextlib.ExitStack, film: Film, started: float) -> None:
        place = self._place(self._folders.asked.output_folder_path, film)
        before = self._last_of.get(place)
        task = asyncio.create_task(self._film(item, film, place, before, started))
        self._tasks.add(task)
        self._last_of[place] = task
        # Not in the task itself, which may be cancelled before it has begun.
        task.add_done_callback(lambda done: self._leave(opened, place, done))

    def _leave(self, opened: contextlib.ExitStack, place: Place, task: asyncio.Task[None]) -> None:
        opened.close()
        if self._last_of.get(place) is task:
            del self._last_of[place]

    async def _film(
        self,
        item: Item,
        film: Film,
        place: Place,
        before: asyncio.Task[None] | None,
        started: float,
    ) -> None:
        async def turn() -> None:
            if before is not None:
                await asyncio.wait([before])

        def announce(files: FileSet) -> None:
            digest = hashlib.sha256(files.report).hexdigest()
            self._journal.announce(item.number, Intent(place.name, place.files[-1], digest))

        request_id.set(f"film-{item.number}")  # in our log lines and in Triton's
        with contextlib.suppress(JobCancelled):
            terms = Terms(BULK, PATIENCE_SECONDS, turn, announce)
            await self._end(item, await self._ending(item, film, place, terms), started)

    async def _ending(self, item: Item, film: Film, place: Place, terms: Terms) -> Ending:
        outputs = tuple(os.path.join(place.name, name) for name in place.files)
        if await self._is_there(item, film, place, terms):
            return Ending(Outcome.SUCCEEDED, outputs=outputs)
        try:
            await self._save(film, place, terms)
        except InvalidRequest as error:
            return Ending(Outcome.SKIPPED, error.message)
        except (InferenceFailed, InferenceTimeout) as error:
            return Ending(Outcome.FAILED, error.message)
        except OutputFailed as error:
            if error.errno not in _OF_ONE_PATIENT:
                raise
            return Ending(Outcome.FAILED, os.strerror(error.errno))
        return Ending(Outcome.SUCCEEDED, outputs=outputs)

    async def _is_there(self, item: Item, film: Film, place: Place, terms: Terms) -> bool:
        if await to_its_end(self._journal.completed, item.number):
            return True
        if not self._folders.asked.resume:
            return False
        await terms.turn()  # what the film before this one leaves is what counts
        return await to_its_end(is_complete, self._folders.target.fd, place, film)

    async def _save(self, film: Film, place: Place, terms: Terms) -> None:
        """Assess a film; what is Triton's fault and not the film's is tried again for a while."""
        pauses = [*PAUSES_SECONDS]
        deadline = time.monotonic() + UNAVAILABLE_SECONDS
        while True:
            try:
                await self._chest_xray.save(film, place, terms)
                return
            except ModelUnavailable:
                if time.monotonic() > deadline:
                    raise
                pause = PAUSES_SECONDS[0]
            except (InferenceFailed, InferenceTimeout):
                if not pauses:
                    raise
                pause = pauses.pop(0)
            if self._context.is_cancelled():
                raise JobCancelled
            await asyncio.sleep(pause)

    async def _end(self, item: Item, ending: Ending, started: float) -> None:
        line: dict[str, Any] = {
            "input": item.name,
            "outcome": WORDS[ending.outcome],
            "reason": ending.reason or None,
            "outputs": ending.outputs,
            "seconds": round(time.monotonic() - started, 3),
        }
        await to_its_end(self._journal.end, item.number, line)
        await self._settlements.note(item, ending.outcome)


def _words(error: Exception) -> str:
    if isinstance(error, GatewayError):
        return error.message
    return os.strerror(getattr(error, "errno", None) or errno.EIO)
