"""DICOMweb at a peer: studies of a patient (QIDO-RS), their instances (WADO-RS), results (STOW-RS).

Paths, queries and media types are those of the Clara DICOM Adapter, percent-encoded.
"""

import contextlib
import itertools
import logging
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from gateway.errors import PeerFailed, PeerUnavailable
from gateway.outbound import qido, stow
from gateway.outbound.client import Ask, Outbound
from gateway.outbound.connection import Connection
from gateway.outbound.multipart import Part, parts
from gateway.outbound.received import WRITE_BYTES, ReceivedPart, Wanted, receive

logger = logging.getLogger(__name__)

_DICOM = "application/dicom"


class DicomWeb:
    """One peer's DICOMweb service, with one caller's credential.

    Raises
    ------
    PeerRefused
        No rule of the allow-list holds for the connection.
    """

    def __init__(self, outbound: Outbound, connection: Connection) -> None:
        self._outbound = outbound
        self._connection = connection
        self._peer = outbound.peer(connection)
        self._slash = "/" if self._peer.trailing_slash else ""

    async def studies_of_patient(self, patient_id: str) -> list[str]:
        """Find the Study Instance UIDs of a patient.

        Raises
        ------
        InvalidRequest
            The value would match more than one patient.
        OutboundError
        """
        return await self._studies(qido.PATIENT_ID, qido.checked_value(patient_id, "PatientID"))

    async def studies_of_accession(self, number: str) -> list[str]:
        """Find the Study Instance UIDs of an accession number; raises as `studies_of_patient`."""
        return await self._studies(qido.ACCESSION_NUMBER, qido.checked_value(number, "accessionNumber"))

    async def retrieve(
        self,
        study_uid: str,
        series_uid: str | None = None,
        instance_uid: str | None = None,
        *,
        folder: Path,
    ) -> AsyncGenerator[ReceivedPart, None]:
        """Fetch a study, a series or an instance (PS3.18 §10.4), each instance into a file in `folder`.

        When the connection breaks the whole is asked for again; each instance is given once. What was
        given before an error stays in its file. Close it (`contextlib.aclosing`) when leaving it early.

        Raises
        ------
        InvalidRequest
            A UID is not one.
        OutboundError
        """
        path = qido.retrieval_path(study_uid, series_uid, instance_uid) + self._slash
        wanted, seen = Wanted(study_uid, series_uid, instance_uid), set[str]()
        for attempt in itertools.count():
            try:
                async with contextlib.aclosing(self._retrieved(path, wanted, folder)) as received:
                    async for part in received:
                        if part.fault or part.sop_instance_uid not in seen:
                            yield part
                        seen.add(part.sop_instance_uid)
                return
            except PeerUnavailable as error:
                await self._outbound.pause("wado", attempt, error)

    async def store(self, files: Sequence[Path | bytes]) -> stow.StoreOutcome:
        """Store Part 10 files, some at a time; tell of each instance whether the peer has it.

        Raises
        ------
        PeerRefused
        ImageError
            A file is none of DICOM.
        """
        return await stow.store(self._outbound, self._connection, files, f"studies{self._slash}")

    async def _studies(self, tag: str, value: str) -> list[str]:
        search, more = qido.Search(tag, value), True
        while more:
            more = await self._outbound.retried("qido", lambda: self._page(search))
            if len(search.studies) > self._outbound.limits.max_studies:
                raise PeerFailed(f"The peer {self._peer.name} found more studies than are allowed")
        if search.strangers:
            logger.warning(
                "Peer %s gave %d studies that were not asked for", self._peer.name, search.strangers
            )
        return list(search.studies)

    async def _page(self, search: qido.Search) -> bool:
        ask = Ask(
            "qido",
            "GET",
            search.path(f"studies{self._slash}"),
            headers={"Accept": "application/dicom+json"},
            accepted=frozenset({200, 204}),
        )
        async with self._outbound.open(self._connection, ask) as answer:
            items = await qido.page_of(answer, self._outbound.limits.max_document_bytes)
            return search.add(items, more=qido.says_more(answer))

    async def _retrieved(self, path: str, wanted: Wanted, folder: Path) -> AsyncGenerator[ReceivedPart, None]:
        limits = self._outbound.limits
        ask = Ask(
            "wado",
            "GET",
            path,
            headers={"Accept": self._accept()},
            accepted=frozenset({200, 204, 206}),
            seconds=limits.total_seconds,
        )
        async with self._outbound.open(self._connection, ask) as answer:
            if answer.status == 204:
                return
            async for part in parts(answer, _DICOM, limits):
                received = await self._received(part, wanted, folder)
                if received.fault:
                    logger.warning("A part from peer %s was refused: %s", self._peer.name, received.fault)
                yield received
            if answer.status == 206:
                raise PeerFailed(f"The peer {self._peer.name} sent only some instances", answered=206)

    async def _received(self, part: Part, wanted: Wanted, folder: Path) -> ReceivedPart:
        if not part.is_expected:
            return ReceivedPart(None, 0, fault=f"the part is not declared as {_DICOM}")
        return await receive(part.chunks(WRITE_BYTES), wanted, folder)

    def _accept(self) -> str:
        plain = f'multipart/related; type="{_DICOM}"'
        return ", ".join(f"{plain}; transfer-syntax={uid}" for uid in self._peer.transfer_syntaxes) or plain
