"""Instances that a peer sent, each a file of its own once it has proved to be what it should be."""

import asyncio
import contextlib
import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.imaging.dicom.attributes import text
from gateway.imaging.dicom.reading import MAX_HEADER_BYTES, read_instance
from gateway.imaging.errors import ImageError

WRITE_BYTES = 2**20


@dataclass(frozen=True)
class Wanted:
    """What was asked for: a study, one of its series, or one instance of that."""

    study_instance_uid: str
    series_instance_uid: str | None = None
    sop_instance_uid: str | None = None


@dataclass(frozen=True)
class ReceivedPart:
    """One instance; with a `fault` it is of no use, and `path` is None."""

    path: Path | None
    size: int
    fault: str = ""
    """One sentence on why the part was thrown away, "" if it was not; nothing of a patient."""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_instance_uid: str = ""
    sop_class_uid: str = ""
    transfer_syntax_uid: str = ""
    has_pixels: bool = False
    """Whether the header describes an image; reports, plans and waveforms have none."""


def file_name(sop_instance_uid: str) -> str:
    """Give the name of an instance's file: opaque, and the same for the same instance."""
    return hashlib.sha256(sop_instance_uid.encode()).hexdigest()[:40] + ".dcm"


async def receive(chunks: AsyncIterator[bytes], wanted: Wanted, folder: Path) -> ReceivedPart:
    """Write one instance into a folder, look at its header, and give it its name.

    Until then, and after a fault or a kill, it is a hidden file that begins with ".part-".
    """
    hidden = folder / f".part-{secrets.token_hex(16)}"
    try:
        # Not in a thread: whoever is cut off meanwhile would leave it open.
        with _create(hidden) as file:
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)
        return await asyncio.to_thread(_accept, hidden, wanted)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(hidden)


def _create(path: Path) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return open(os.open(path, flags, 0o600), "wb")


def _accept(hidden: Path, wanted: Wanted) -> ReceivedPart:
    size = hidden.stat().st_size
    try:
        found = _looked_at(hidden, size)
        _check(found, wanted)
    except ImageError as error:
        return ReceivedPart(None, size, fault=str(error))
    path = hidden.with_name(file_name(found.sop_instance_uid))
    os.replace(hidden, path)
    return ReceivedPart(**{**vars(found), "path": path})


def _looked_at(file: Path, size: int) -> ReceivedPart:
    with file.open("rb") as opened:
        header = read_instance(opened.read(MAX_HEADER_BYTES + 2**16))
    return ReceivedPart(
        None,
        size,
        study_instance_uid=text(header, "StudyInstanceUID"),
        series_instance_uid=text(header, "SeriesInstanceUID"),
        sop_instance_uid=text(header, "SOPInstanceUID"),
        sop_class_uid=text(header, "SOPClassUID"),
        transfer_syntax_uid=str(header.file_meta.TransferSyntaxUID),
        has_pixels="Rows" in header and "Columns" in header,
    )


def _check(found: ReceivedPart, wanted: Wanted) -> None:
    """Refuse what was not asked for: another study may be another patient's."""
    pairs = (
        (found.study_instance_uid, wanted.study_instance_uid),
        (found.series_instance_uid, wanted.series_instance_uid),
        (found.sop_instance_uid, wanted.sop_instance_uid),
    )
    if not all(uid for uid, _ in pairs):
        raise ImageError("a study, series or SOP instance UID is missing")
    if any(asked is not None and uid != asked for uid, asked in pairs):
        raise ImageError("the instance belongs to another study, series or instance than was asked for")
