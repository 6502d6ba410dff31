"""Fetch what a request names from its sources, in their order.

What is named by its UID, and FHIR resources, come from the first source that has them. Searches for a
patient or an accession number go to every DICOMweb source, and the union of what they find is kept.
"""

import contextlib
import functools
import logging
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

from gateway.apis.inference_requests import words
from gateway.apis.inference_requests.asked import Asked, FhirWanted, Peer, Query, Wanted
from gateway.apis.inference_requests.folders import RequestFolder, key
from gateway.errors import GatewayError, InvalidRequest, OutboundError, PeerFailed, PeerRefused
from gateway.outbound.client import Outbound
from gateway.outbound.dicomweb import DicomWeb
from gateway.outbound.fhir import Fhir, Format, Version

logger = logging.getLogger(__name__)

MAX_SENTENCES = 8
_OVER = "over"


@dataclass
class Attempt:
    """How one attempt at all that is missing went."""

    missing: int = 0
    sentences: dict[str, None] = field(default_factory=dict)
    """Why, each sentence once."""
    is_final: bool = True
    """Whether nothing of what is missing can come with another attempt."""

    def note(self, error: GatewayError) -> None:
        """Take in a fault."""
        if len(self.sentences) < MAX_SENTENCES:
            self.sentences[error.message] = None
        if not isinstance(error, PeerRefused | InvalidRequest):
            self.is_final = False


class Retrieval:
    """The retrieval of one job; what an earlier attempt fetched is not fetched again."""

    def __init__(self, outbound: Outbound, asked: Asked, folder: RequestFolder) -> None:
        self._outbound = outbound
        self._asked = asked
        self._folder = folder
        self._done = folder.marks()

    @property
    def unsupported(self) -> list[Peer]:
        """The sources that nothing is fetched from."""
        return [peer for peer in self._asked.sources if peer.interface not in (words.DICOM_WEB, words.FHIR)]

    @property
    def is_over(self) -> bool:
        """Whether it was brought to its end, with all that could be had."""
        return _OVER in self._done

    def end(self) -> None:
        """Note that it is over."""
        if not self.is_over:
            self._folder.mark(_OVER)

    async def attempt(self) -> Attempt:
        """Fetch what is missing, once; faults are noted, not raised."""
        attempt = Attempt()
        for source in self._asked.sources:
            if source.interface == words.DICOM_WEB:
                await self._from_dicom_web(source, attempt)
            elif source.interface == words.FHIR:
                await self._from_fhir(source, attempt)
        missing = [each for each in self._keys() if each not in self._done]
        attempt.missing = len(missing)
        if missing and not attempt.sentences:
            attempt.note(InvalidRequest("No source of the request can be asked for what it names"))
        return attempt

    def _keys(self) -> list[str]:
        """Name all that has to be done."""
        queries = [
            _query_key(source, query)
            for source in self._asked.sources
            if source.interface == words.DICOM_WEB
            for query in self._asked.queries
        ]
        if self._asked.queries and not queries:
            queries = [key("query", *query) for query in self._asked.queries]
        return [
            *(key("uid", *each) for each in self._asked.wanted),
            *queries,
            *(key("fhir", each.type, each.id) for each in self._asked.fhir),
        ]

    async def _from_dicom_web(self, source: Peer, attempt: Attempt) -> None:
        try:
            peer = DicomWeb(self._outbound, source.connection)
        except PeerRefused as error:
            attempt.note(error)
            return
        for wanted in self._asked.wanted:
            await self._once(key("uid", *wanted), attempt, functools.partial(self._fetch, peer, wanted))
        for query in self._asked.queries:
            search = functools.partial(self._search, peer, source, query, attempt)
            await self._once(_query_key(source, query), attempt, search)

    async def _from_fhir(self, source: Peer, attempt: Attempt) -> None:
        try:
            peer = Fhir(self._outbound, source.connection)
        except PeerRefused as error:
            attempt.note(error)
            return
        for resource in self._asked.fhir:
            done = key("fhir", resource.type, resource.id)
            await self._once(done, attempt, functools.partial(self._read, peer, resource, done))

    async def _once(self, done: str, attempt: Attempt, fetch: Callable[[], Awaitable[None]]) -> None:
        if done in self._done:
            return
        try:
            await fetch()
        except (OutboundError, InvalidRequest) as error:
            attempt.note(error)
            return
        self._folder.mark(done)
        self._done.add(done)

    async def _fetch(self, peer: DicomWeb, wanted: Wanted) -> None:
        """Fetch a study, a series or an instance; what comes before a fault is kept."""
        incoming, came, faulty = self._folder.incoming(), 0, 0
        try:
            async with contextlib.aclosing(peer.retrieve(*wanted, folder=incoming)) as received:
                async for part in received:
                    if part.path is None:
                        faulty += 1
                        continue
                    self._folder.keep(part.path)
                    came += 1
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
        if faulty:
            logger.warning("%d received parts are of no use", faulty)
        if not came:
            raise PeerFailed("A source answered without an instance")

    async def _search(self, peer: DicomWeb, source: Peer, query: Query, attempt: Attempt) -> None:
        """Find studies and fetch each; done when all of them are."""
        find = peer.studies_of_patient if query.by == words.PATIENT_ID else peer.studies_of_accession
        failed: GatewayError | None = None
        for study in await find(query.value):
            done = key("study", str(source.number), study)
            await self._once(done, attempt, functools.partial(self._fetch, peer, Wanted(study)))
            if done not in self._done:
                failed = PeerFailed("A study that a source found did not come")
        if failed is not None:
            raise failed

    async def _read(self, peer: Fhir, wanted: FhirWanted, done: str) -> None:
        document = await peer.read(
            wanted.type,
            wanted.id,
            version=cast(Version, wanted.version),
            format=cast(Format, wanted.format),
        )
        self._folder.keep_resource(done, document.body, document.format.lower())


def _query_key(source: Peer, query: Query) -> str:
    return key("query", str(source.number), *query)
