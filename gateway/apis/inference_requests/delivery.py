"""Send results to one output, some at a time, and count what it took."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.apis.inference_requests import words
from gateway.apis.inference_requests.asked import Peer
from gateway.apis.inference_requests.folders import RequestFolder
from gateway.errors import InvalidRequest, OutboundError, PeerRefused, PeerUnavailable
from gateway.metrics import REQUEST_RESULTS
from gateway.outbound.client import Outbound
from gateway.outbound.dicomweb import DicomWeb
from gateway.outbound.fhir import Fhir

INSTANCES_AT_ONCE = 20
PAUSES_SECONDS = (1.0, 5.0, 15.0)
"""Between attempts at what an output did not take, and may take later."""
MOST_FAILED = 0.5
"""More than this share of an output's results lost is a failure of the job."""


@dataclass
class Delivered:
    """How many results an output took, and why not all."""

    stored: int = 0
    failed: int = 0
    fault: str = ""
    """The first one's sentence."""
    is_lost: bool = False
    """Whether the output is away, or refused: nothing more is sent to it."""

    def as_json(self) -> dict[str, Any]:
        """Give it as a job's step keeps it."""
        return dict(vars(self))

    def add(self, other: "Delivered") -> None:
        """Count another part in."""
        self.stored += other.stored
        self.failed += other.failed
        self.fault = self.fault or other.fault
        self.is_lost = other.is_lost

    @property
    def is_failure(self) -> bool:
        """Whether too little came through."""
        return self.failed > MOST_FAILED * (self.stored + self.failed)


class Delivery:
    """The sending of one job's results."""

    def __init__(
        self,
        outbound: Outbound,
        folder: RequestFolder,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._outbound = outbound
        self._folder = folder
        self._sleep = sleep

    async def send(self, output: Peer, names: Sequence[str], *, is_lost: bool = False) -> Delivered:
        """Send the results of some instances."""
        send = self._store if output.interface == words.DICOM_WEB else self._write
        if is_lost:
            delivered = Delivered(0, self._count(output, names), is_lost=True)
        else:
            try:
                delivered = await send(output, names)
            except (PeerRefused, InvalidRequest) as error:
                delivered = Delivered(0, self._count(output, names), error.message, is_lost=True)
        REQUEST_RESULTS.labels(output.interface, "stored").inc(delivered.stored)
        REQUEST_RESULTS.labels(output.interface, "failed").inc(delivered.failed)
        return delivered

    def _count(self, output: Peer, names: Sequence[str]) -> int:
        if output.interface == words.DICOM_WEB:
            return sum(len(self._folder.result_files(name)) for name in names)
        return sum(len(self._folder.resources(name)) for name in names)

    async def _store(self, output: Peer, names: Sequence[str]) -> Delivered:
        peer = DicomWeb(self._outbound, output.connection)
        files = [file for name in names for file in self._folder.result_files(name)]
        delivered = Delivered()
        for pause in (*PAUSES_SECONDS, None):
            if not files:
                break
            outcome = await peer.store(files)
            delivered.stored += len(outcome.stored)
            pairs = list(zip(files, outcome.instances, strict=True))
            again = [file for file, each in pairs if not each.stored and each.retry and pause is not None]
            lost = [each for file, each in pairs if not each.stored and file not in again]
            delivered.failed += len(lost)
            delivered.fault = delivered.fault or next((each.fault for each in lost), "")
            delivered.is_lost = bool(lost) and all(each.retry for each in outcome.instances)
            files = again
            if again and pause is not None:
                await self._sleep(pause)
        return delivered

    async def _write(self, output: Peer, names: Sequence[str]) -> Delivered:
        peer = Fhir(self._outbound, output.connection)
        delivered = Delivered()
        for name in names:
            delivered.add(await self._write_one(peer, self._folder.resources(name), delivered.is_lost))
        return delivered

    async def _write_one(self, peer: Fhir, resources: Sequence[dict[str, Any]], is_lost: bool) -> Delivered:
        """Write one instance's resources; after one that failed none follows that would refer to it."""
        if is_lost:
            return Delivered(0, len(resources), is_lost=True)
        for number, resource in enumerate(resources):
            try:
                await self._patiently(peer, resource)
            except PeerRefused:
                raise
            except OutboundError as error:
                is_lost = isinstance(error, PeerUnavailable)
                return Delivered(number, len(resources) - number, error.message, is_lost)
        return Delivered(len(resources))

    async def _patiently(self, peer: Fhir, resource: dict[str, Any]) -> None:
        for pause in PAUSES_SECONDS:
            try:
                await peer.write(resource)
                return
            except PeerUnavailable:
                await self._sleep(pause)
        await peer.write(resource)
