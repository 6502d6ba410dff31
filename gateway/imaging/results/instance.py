"""What every result has in common: its series, the equipment that made it, its times, its bytes."""

import io
from datetime import datetime, timedelta, timezone
from enum import Enum

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from gateway import __version__
from gateway.imaging.dicom.attributes import text
from gateway.imaging.results.source import file_with
from gateway.imaging.results.stamp import Stamp, uid

MANUFACTURER = "RadGate"
IMPLEMENTATION_CLASS_UID = uid("radgate", "implementation class")
DEVICE_UID = uid("radgate", "device")
SERIAL_NUMBER = "none"
"""Required of enhanced equipment; software has no number of its own."""


class Kind(Enum):
    """The kinds of results: each in one series of its own per job and study."""

    REPORT = ("sr", 9001, "AI results")
    PICTURE = ("sc", 9002, "AI picture")
    DOCUMENT = ("pdf", 9003, "AI report")
    SEGMENTATION = ("seg", 9004, "AI segmentation")

    def __init__(self, word: str, series_number: int, title: str) -> None:
        self.word = word
        self.series_number = series_number
        self.title = title


def instance_uid(source: Dataset, kind: Kind, stamp: Stamp) -> UID:
    """Give a result's SOP Instance UID."""
    return uid(stamp.job_id, text(source, "SOPInstanceUID").strip(), kind.word)


def series_uid(source: Dataset, kind: Kind, stamp: Stamp) -> UID:
    """Give the UID of the series that a result belongs to."""
    return uid(stamp.job_id, text(source, "StudyInstanceUID").strip(), kind.word, "series")


def complete(result: Dataset, source: Dataset, kind: Kind, stamp: Stamp, model: str) -> Dataset:
    """Give a result its patient, study, series, equipment, times and file meta information.

    Parameters
    ----------
    result
        With its SOPClassUID, Modality and content; changed in place.
    model
        Named in the series description, ASCII.

    Raises
    ------
    MissingAttribute
        The source has no UIDs to refer to.
    """
    file_with(source, result)
    result.SeriesInstanceUID = series_uid(source, kind, stamp)
    result.SeriesNumber = kind.series_number
    result.SeriesDescription = f"{MANUFACTURER} {kind.title}: {model}"[:64]
    result.SOPInstanceUID = instance_uid(source, kind, stamp)
    result.InstanceNumber = stamp.number
    _name_equipment(result, model)
    _set_times(result, stamp.at)
    result.file_meta = _file_meta(result)
    result.preamble = bytes(128)
    return result


def encoded(result: Dataset) -> bytes:
    """Give a result as a Part 10 file; equal results give equal bytes."""
    target = io.BytesIO()
    pydicom.dcmwrite(target, result, enforce_file_format=True)
    return target.getvalue()


def local_time(at: datetime, offset: str) -> datetime:
    """Express a time by a Timezone Offset From UTC such as +0130; by its own where that is no offset."""
    if len(offset) != 5 or offset[0] not in "+-" or not offset[1:].isdecimal():
        return at
    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    return at.astimezone(timezone(timedelta(minutes=minutes if offset[0] == "+" else -minutes)))


def _name_equipment(result: Dataset, model: str) -> None:
    result.Manufacturer = MANUFACTURER
    result.ManufacturerModelName = model[:64]
    result.SoftwareVersions = __version__
    result.DeviceSerialNumber = SERIAL_NUMBER
    result.pop("ContributingEquipmentSequence", None)


def _set_times(result: Dataset, at: datetime) -> None:
    at = local_time(at, text(result, "TimezoneOffsetFromUTC"))
    for part in ("Content", "InstanceCreation"):
        setattr(result, f"{part}Date", at.strftime("%Y%m%d"))
        setattr(result, f"{part}Time", at.strftime("%H%M%S"))


def _file_meta(result: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = result.SOPClassUID
    meta.MediaStorageSOPInstanceUID = result.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = f"RADGATE_{__version__}"[:16]
    return meta


def ascii_text(value: object) -> str:
    """Write text so that it is right in any character set: dashes and quotes plain, the rest escaped."""
    plain = str(value).translate(_PLAIN)
    return plain.encode("ascii", "backslashreplace").decode()


_PLAIN = str.maketrans({"—": "-", "–": "-", "’": "'", "‘": "'", "“": '"', "”": '"', "…": "...", "×": "x"})
