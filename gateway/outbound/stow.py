"""STOW-RS: instances to a peer, and which of them it took (DICOM PS3.18 §10.5, Annex I.2)."""

import asyncio
import contextlib
import functools
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import MultipartWriter
from aiohttp.payload import BufferedReaderPayload, BytesPayload, Payload

from gateway.errors import OutboundError, PeerRefused, PeerUnavailable
from gateway.imaging.dicom.attributes import text
from gateway.imaging.dicom.reading import MAX_HEADER_BYTES, read_instance
from gateway.imaging.errors import ImageError
from gateway.outbound.client import Answer, Ask, Outbound
from gateway.outbound.connection import Connection
from gateway.outbound.qido import MEDIA_TYPES, first_value, parsed, values

BATCH = 10
BATCH_BYTES = 128 * 2**20
"""A batch ends at either; one file may be larger."""
FAILED_SOP_SEQUENCE, FAILURE_REASON = "00081198", "00081197"
REFERENCED_SOP_SEQUENCE, REFERENCED_SOP_INSTANCE_UID = "00081199", "00081155"
_ANSWERED = frozenset({200, 202, 400, 409})
"""With these comes an account of each instance; Orthanc answers 400 where some were stored."""
_OUT_OF_RESOURCES = 0xA7


@dataclass(frozen=True)
class StoredInstance:
    """What became of one instance at the peer."""

    sop_instance_uid: str
    stored: bool
    reason: int | None = None
    """Failure Reason (0008,1197), where the peer gave one (PS3.18 Table I.2-2)."""
    answered: int | None = None
    """HTTP status of its batch; None where none came."""
    fault: str = ""
    """One sentence, "" if stored."""
    retry: bool = False
    """Whether another attempt, later, can go better."""


@dataclass(frozen=True)
class StoreOutcome:
    """What became of all instances, in their order."""

    instances: tuple[StoredInstance, ...]

    @property
    def stored(self) -> tuple[StoredInstance, ...]:
        """Those that the peer has."""
        return tuple(each for each in self.instances if each.stored)

    @property
    def failed(self) -> tuple[StoredInstance, ...]:
        """Those that it has not, as far as is known."""
        return tuple(each for each in self.instances if not each.stored)


@dataclass(frozen=True)
class _File:
    source: Path | bytes
    size: int
    uid: str


async def store(
    outbound: Outbound, connection: Connection, files: Sequence[Path | bytes], path: str
) -> StoreOutcome:
    """Store files in batches; after one that the peer could not be reached for, no other is begun."""
    instances: list[StoredInstance] = []
    lost: PeerUnavailable | None = None
    for batch in _batches([await asyncio.to_thread(_described, file) for file in files]):
        try:
            if lost is not None:
                raise lost
            attempt = functools.partial(_sent, outbound, connection, batch, path)
            instances += await outbound.retried("stow", attempt)
        except PeerRefused:
            raise
        except OutboundError as error:
            lost = error if isinstance(error, PeerUnavailable) else None
            instances += [_lost(file.uid, error) for file in batch]
    return StoreOutcome(tuple(instances))


def _described(source: Path | bytes) -> _File:
    if isinstance(source, bytes):
        size, head = len(source), source
    else:
        size = os.stat(source).st_size
        with source.open("rb") as opened:
            head = opened.read(MAX_HEADER_BYTES + 2**16)
    uid = text(read_instance(head), "SOPInstanceUID")
    if not uid:
        raise ImageError("the DICOM attribute SOPInstanceUID is missing")
    return _File(source, size, uid)


def _batches(files: Sequence[_File]) -> Iterator[list[_File]]:
    batch: list[_File] = []
    for file in files:
        if batch and (len(batch) == BATCH or sum(each.size for each in batch) + file.size > BATCH_BYTES):
            yield batch
            batch = []
        batch.append(file)
    if batch:
        yield batch


async def _sent(
    outbound: Outbound, connection: Connection, batch: Sequence[_File], path: str
) -> list[StoredInstance]:
    """Send one batch, once."""
    boundary = uuid.uuid4().hex
    with contextlib.ExitStack() as opened, MultipartWriter("related", boundary) as body:
        for file in batch:
            body.append_payload(_payload(file, opened))
        ask = Ask(
            "stow",
            "POST",
            path,
            headers={
                "Accept": "application/dicom+json",
                "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            },
            body=body,
            accepted=_ANSWERED,
            seconds=outbound.limits.total_seconds,
        )
        async with outbound.open(connection, ask) as answer:
            document = await _account(answer, outbound.limits.max_document_bytes)
            return told(answer.status, document, [file.uid for file in batch])


def _payload(file: _File, opened: contextlib.ExitStack) -> Payload:
    if isinstance(file.source, bytes):
        return BytesPayload(file.source, content_type="application/dicom")
    # Without a file name, which would go into a header.
    return BufferedReaderPayload(
        opened.enter_context(file.source.open("rb")), content_type="application/dicom", filename=None
    )


async def _account(answer: Answer, limit: int) -> Any:
    """Read what the peer says of each instance; None where it says nothing in DICOM JSON."""
    body = await answer.document(limit)
    # With 400 Orthanc gives its account without saying what it is.
    declared = answer.response.headers.get("Content-Type")
    if not body.strip() or (declared and answer.response.content_type.lower() not in MEDIA_TYPES):
        return None
    document = parsed(answer, body)
    return document[0] if isinstance(document, list) and len(document) == 1 else document


def told(status: int, account: Any, uids: Sequence[str]) -> list[StoredInstance]:
    """Tell which instances were stored.

    An instance that the account lists as failed was not; one that it lists as referenced was. Of the others
    200 says that all were stored, any other status that not all were.
    """
    failed = {
        first_value(item, REFERENCED_SOP_INSTANCE_UID): _reason(item)
        for item in values(account, FAILED_SOP_SEQUENCE)
    }
    referenced = {
        first_value(item, REFERENCED_SOP_INSTANCE_UID) for item in values(account, REFERENCED_SOP_SEQUENCE)
    }
    return [
        StoredInstance(uid, True, answered=status)
        if uid not in failed and (uid in referenced or status == 200)
        else _failed(uid, failed.get(uid), status)
        for uid in uids
    ]


def _reason(item: Any) -> int | None:
    value = first_value(item, FAILURE_REASON) or ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 6 else None


def _failed(uid: str, reason: int | None, status: int) -> StoredInstance:
    why = "without a reason" if reason is None else f"with reason {reason:04X}"
    return StoredInstance(
        uid,
        False,
        reason=reason,
        answered=status,
        fault=f"The peer answered {status} and did not store the instance, {why}",
        retry=reason is not None and reason >> 8 == _OUT_OF_RESOURCES,
    )


def _lost(uid: str, error: OutboundError) -> StoredInstance:
    return StoredInstance(
        uid,
        False,
        answered=error.answered,
        fault=error.message,
        retry=isinstance(error, PeerUnavailable),
    )
