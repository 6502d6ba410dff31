"""One inference request from its sources through a model to its outputs; it bears being begun again.

What is fetched and made lies in the job's folder; steps and items in the database say how far it came, and
results have UIDs and times that follow from the job, so that what is exported again overwrites itself.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from gateway.accounts.vault import Vault
from gateway.apis.inference_requests import words
from gateway.apis.inference_requests.algorithms import Algorithms
from gateway.apis.inference_requests.answers import RETRIEVING
from gateway.apis.inference_requests.asked import Algorithm, Asked, Peer, asked_of, job_name
from gateway.apis.inference_requests.assessing import Assessor, NotToBeAssessed, Work
from gateway.apis.inference_requests.delivery import INSTANCES_AT_ONCE, Delivered, Delivery
from gateway.apis.inference_requests.folders import RequestFolder, RequestFolders
from gateway.apis.inference_requests.resources import Attempt, Retrieval
from gateway.apis.inference_requests.service import API
from gateway.errors import (
    GatewayError,
    InferenceFailed,
    InferenceTimeout,
    InvalidImage,
    ModelUnavailable,
    OutputFailed,
    PeerFailed,
    PeerRefused,
)
from gateway.jobs.engine import JobCancelled, JobContext
from gateway.jobs.items import Item, Items, Outcome
from gateway.metrics import REQUEST_INSTANCES, timed_stage
from gateway.outbound.client import Outbound

ATTEMPTS = 4
RETRIEVAL_PAUSES_SECONDS = (1.0, 5.0, 15.0)
INFERENCE_PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0)
UNAVAILABLE_SECONDS = 600.0
"""How long Triton may be away before the job fails."""
ROOM_PAUSE_SECONDS = 5.0
ROOM_SECONDS = 3600.0
"""How long a job waits for disk space."""
MAX_DOCUMENTS = 100
"""Results that are kept with the job, as JSON, beside what was exported."""
RETRY_LATER = "One or more failures occurred while retrieving specified resources. Will retry later."
NOTHING = "No DICOM instances/resources retrieved with the request."


class NoResults(GatewayError):
    """Nothing of what was fetched could be assessed."""

    code = "no_results"


class Parts(NamedTuple):
    """What the workflow works with."""

    outbound: Outbound
    algorithms: Algorithms
    assessor: Assessor
    vault: Vault
    folders: RequestFolders
    min_free_bytes: int = 0
    in_flight: int = 2
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Workflow:
    """The work of the job kind `inference_request`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def run(self, job_id: str, context: JobContext) -> dict[str, Any]:
        """Bring a request to its end; what it kept on disk goes then, whatever the end."""
        folder = self._parts.folders.of(job_id)
        try:
            opened = self._parts.vault.open(context.secret, job_id=job_id)
            asked = asked_of(context.request, opened, context.account)
            progress = _Attempt(self._parts, job_id, context, folder, asked)
            result = await context.step("result", progress.work)
        except (GatewayError, JobCancelled):
            await asyncio.to_thread(folder.remove)
            raise
        await asyncio.to_thread(folder.remove)
        return result


class _Attempt:
    """One attempt at a job."""

    def __init__(
        self, parts: Parts, job_id: str, context: JobContext, folder: RequestFolder, asked: Asked
    ) -> None:
        self._parts = parts
        self._job_id = job_id
        self._context = context
        self._folder = folder
        self._asked = asked
        self._messages: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._name = ""

    async def work(self) -> dict[str, Any]:
        """Retrieve, infer, export; gives the job's result."""
        await asyncio.to_thread(self._folder.make)
        began = await self._context.step("began", _now)
        self._say(name=job_name(self._asked, datetime.fromisoformat(began)))
        try:
            with timed_stage(API, "retrieve"):
                await self._retrieve()
            with timed_stage(API, "assess"):
                names = await self._assess(began)
            with timed_stage(API, "export"):
                outputs = await self._export(names)
        except (GatewayError, JobCancelled):
            self._say()  # nothing is waited for any more
            raise
        return {"outputs": outputs, "results": await asyncio.to_thread(self._documents, names)}

    # Retrieval

    async def _retrieve(self) -> None:
        retrieval = Retrieval(self._parts.outbound, self._asked, self._folder)
        for source in retrieval.unsupported:
            self._warn(f"Input {source.number}: the interface {source.interface} is not supported.")
        if not retrieval.is_over:
            self._say(phase=RETRIEVING)
        warning = await self._fetch(retrieval)

        async def warned() -> str:
            return warning

        # Asked a second time, after a crash, nothing is fetched, and this tells what was missing.
        if message := await self._context.step("retrieved", warned):
            self._warn(message)
        await asyncio.to_thread(retrieval.end)

    async def _fetch(self, retrieval: Retrieval) -> str:
        """Fetch all, in four attempts at most; gives what is to be said about what is missing."""
        failed = 0
        while not retrieval.is_over:
            await self._room()
            attempt = await retrieval.attempt()
            self._require_wanted()
            if not attempt.missing:
                return self._nothing_missing()
            failed = await self._count_failure(failed)
            if attempt.is_final or failed >= ATTEMPTS:
                return self._without(attempt)
            self._say(passing=[RETRY_LATER, *attempt.sentences])
            await self._parts.sleep(RETRIEVAL_PAUSES_SECONDS[failed - 1])
        return ""

    async def _count_failure(self, failed: int) -> int:
        """Count a failed attempt for good, behind those of before a crash."""

        async def ours() -> int:
            return self._context.attempt

        number = failed + 1
        while await self._context.step(f"attempt-{number}", ours) != self._context.attempt:
            number += 1
        return number

    def _nothing_missing(self) -> str:
        if self._is_empty():
            raise PeerFailed(NOTHING)
        return ""

    def _is_empty(self) -> bool:
        return not self._folder.names() and not self._folder.has_resources()

    def _without(self, attempt: Attempt) -> str:
        """Go on with what came, where anything did."""
        if self._is_empty():
            message = " ".join([NOTHING, *attempt.sentences])
            raise PeerRefused(message) if attempt.is_final else PeerFailed(message)
        return " ".join(["Not everything was retrieved:", *attempt.sentences])

    # Inference

    async def _assess(self, began: str) -> list[str]:
        self._say(phase="inferring")
        names = await asyncio.to_thread(self._folder.names)
        if not names:
            raise NoResults("No image was retrieved, and the algorithm takes images.")
        work = await self._work_order(began)
        items = await self._context.items(lambda: _given(names))
        numbers = {name: number for number, name in enumerate(names, 1)}
        try:
            async for item in items.pending():
                await self._begin(item, items, numbers, work)
            await self._drain(0)
        finally:
            await self._stop()
        await items.write()
        for name in names:  # those that another gateway assessed before it lost this job, and its disk
            self._require_wanted()
            if self._folder.outcome(name) is None:
                await self._assess_one(name, numbers[name], work)
        return self._assessed(names)

    async def _work_order(self, began: str) -> Work:
        algorithm = Algorithm(self._asked.model, self._asked.version)
        takes = await self._while_away(lambda: self._parts.algorithms.takes(algorithm))
        if takes is None:
            raise InferenceFailed(f"Invalid Pipeline ID configured: {self._asked.model}")
        return Work(
            self._job_id, self._asked.model, self._asked.version, takes, self._asked.inference_priority, began
        )

    async def _begin(self, item: Item, items: Items, numbers: dict[str, int], work: Work) -> None:
        self._require_wanted()
        await self._room()
        await self._drain(self._parts.in_flight - 1)

        async def assess() -> None:
            outcome = await self._assess_one(item.name, numbers.get(item.name, 0), work)
            await items.settle(item, outcome)

        self._tasks.add(asyncio.create_task(assess()))

    async def _drain(self, most: int) -> None:
        """Wait until so many are left in work."""
        while len(self._tasks) > most:
            done, self._tasks = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _assess_one(self, name: str, number: int, work: Work) -> Outcome:
        known = await asyncio.to_thread(self._folder.outcome, name)
        if known is not None:
            return Outcome(known["outcome"])
        file = self._folder.instance(name)
        try:
            made = await self._patiently(lambda: self._parts.assessor.assess(file, number, work))
        except FileNotFoundError:
            outcome, sentence = Outcome.FAILED, "the instance did not come a second time"
        except NotToBeAssessed as error:
            outcome, sentence = Outcome.SKIPPED, error.message
        except InvalidImage as error:
            outcome, sentence = Outcome.FAILED, error.message
        except (InferenceFailed, InferenceTimeout) as error:
            outcome, sentence = Outcome.FAILED, error.message
        else:
            outcome, sentence = Outcome.SUCCEEDED, ""
            told = {"outcome": outcome.value, "fault": "", "document": made.document}
            await asyncio.to_thread(self._folder.put_results, name, told, made.dicom, made.fhir)
        if sentence:
            told = {"outcome": outcome.value, "fault": sentence}
            await asyncio.to_thread(self._folder.put_results, name, told)
        REQUEST_INSTANCES.labels(work.model, outcome.name.lower()).inc()
        return outcome

    def _assessed(self, names: Sequence[str]) -> list[str]:
        """Give the instances that have results; raises where they are too few."""
        outcomes = {name: self._folder.outcome(name) or {} for name in names}
        good = [name for name in names if outcomes[name].get("outcome") == Outcome.SUCCEEDED.value]
        bad = [each["fault"] for each in outcomes.values() if each.get("outcome") == Outcome.FAILED.value]
        if not good:
            why = next(iter(bad), "none of them is an image to be assessed")
            raise NoResults(f"None of {len(names)} instances could be assessed: {why}.")
        if bad:
            self._warn(f"{len(bad)} of {len(names)} instances could not be assessed: {bad[0]}.")
        if len(bad) > len(good):
            raise NoResults("More than half of the images could not be assessed; nothing was exported.")
        return good

    async def _patiently(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Try again what is Triton's fault and not the image's, for a while."""
        for pause in INFERENCE_PAUSES_SECONDS:
            try:
                return await self._while_away(call)
            except (InferenceFailed, InferenceTimeout):
                self._require_wanted()
                await self._parts.sleep(pause)
        return await self._while_away(call)

    async def _while_away(self, call: Callable[[], Awaitable[Any]]) -> Any:
        deadline = time.monotonic() + UNAVAILABLE_SECONDS
        while True:
            try:
                result = await call()
                break
            except ModelUnavailable as error:
                if time.monotonic() > deadline:
                    raise
                self._require_wanted()
                self._say(passing=[f"Waiting: {error.message}."])
                await self._parts.sleep(INFERENCE_PAUSES_SECONDS[0])
        self._say(passing=[])
        return result

    # Export

    async def _export(self, names: Sequence[str]) -> list[dict[str, Any]]:
        self._say(phase="exporting")
        told: list[dict[str, Any]] = []
        failures: list[str] = []
        for output in self._asked.outputs:
            if output.interface not in (words.DICOM_WEB, words.FHIR):
                self._warn(f"Output {output.number}: the interface {output.interface} is not supported.")
                continue
            delivered = await self._deliver(output, names)
            total = delivered.stored + delivered.failed
            told.append({"number": output.number, "stored": delivered.stored, "failed": delivered.failed})
            if delivered.failed:
                sentence = f"Output {output.number}: {delivered.failed} of {total} results were not stored: "
                (failures if delivered.is_failure else self._messages).append(sentence + delivered.fault)
        self._say()
        if failures:
            raise PeerFailed("\n".join(failures))
        return told

    async def _deliver(self, output: Peer, names: Sequence[str]) -> Delivered:
        delivery = Delivery(self._parts.outbound, self._folder, sleep=self._parts.sleep)
        delivered = Delivered()
        for start in range(0, len(names), INSTANCES_AT_ONCE):
            self._require_wanted()
            await self._room()
            chunk, is_lost = names[start : start + INSTANCES_AT_ONCE], delivered.is_lost

            async def send(chunk: Sequence[str] = chunk, is_lost: bool = is_lost) -> dict[str, Any]:
                return (await delivery.send(output, chunk, is_lost=is_lost)).as_json()

            step = f"export-{output.number}-{start // INSTANCES_AT_ONCE}"
            delivered.add(Delivered(**await self._context.step(step, send)))
        return delivered

    def _documents(self, names: Sequence[str]) -> list[Any]:
        outcomes = [self._folder.outcome(name) or {} for name in names[:MAX_DOCUMENTS]]
        return [each.get("document") for each in outcomes]

    # What all have in common

    def _require_wanted(self) -> None:
        if self._context.is_cancelled():
            raise JobCancelled

    async def _room(self) -> None:
        """Wait for disk space."""
        deadline, is_low = time.monotonic() + ROOM_SECONDS, False
        while await asyncio.to_thread(self._parts.folders.free_bytes) < self._parts.min_free_bytes:
            if time.monotonic() > deadline:
                raise OutputFailed("The disk has been full for too long")
            self._require_wanted()
            is_low = True
            self._say(passing=["Waiting for disk space."])
            await self._parts.sleep(ROOM_PAUSE_SECONDS)
        if is_low:
            self._say(passing=[])

    def _warn(self, message: str) -> None:
        if message not in self._messages:
            self._messages.append(message)
        self._say()

    def _say(self, *, phase: str | None = None, passing: Sequence[str] = (), name: str | None = None) -> None:
        """Say how far it is; `passing` are messages that hold until the next word."""
        self._name = name or self._name
        detail = {"name": self._name, "messages": [*self._messages, *passing]}
        self._context.progress(phase=phase, detail=detail)


async def _now() -> str:
    return datetime.now(timezone.utc).isoformat()


async def _given(names: Sequence[str]) -> Sequence[str]:
    return names
