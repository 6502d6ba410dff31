"""Who and what an image shows, as plain text from its DICOM header."""

from typing import NamedTuple

from pydicom.dataset import Dataset

from gateway.imaging.attributes import text
from gateway.imaging.dicom import read_patient_id


class Study(NamedTuple):
    """The attributes that results and reports state; "" where the file says nothing."""

    patient_id: str
    patient_name: str
    """Given name before family name."""
    sop_instance_uid: str
    age: str
    """Patient's Age as written; else three digits and Y from birth date and study date."""
    sex: str
    study_date: str
    """YYYYMMDD."""
    modality: str
    view_position: str
    accession_number: str
    body_part_examined: str
    study_instance_uid: str
    series_instance_uid: str
    lossy: bool
    """The pixels went through irreversible compression at some time."""
    burned_in_annotation: bool
    """The pixels may show who the patient is."""


def study_of(header: Dataset) -> Study:
    """Collect a study's attributes; nothing is required.

    References
    ----------
    DICOM PS3.3 C.7.1.1 Patient, C.7.2.1 General Study, C.7.6.1.1.5 Lossy Image Compression.
    """
    study_date = text(header, "StudyDate")
    return Study(
        patient_id=read_patient_id(header),
        patient_name=_given_family(text(header, "PatientName")),
        sop_instance_uid=text(header, "SOPInstanceUID"),
        age=text(header, "PatientAge") or _age_at(text(header, "PatientBirthDate"), study_date),
        sex=text(header, "PatientSex"),
        study_date=study_date,
        modality=text(header, "Modality").strip().upper(),
        view_position=text(header, "ViewPosition").strip().upper(),
        accession_number=text(header, "AccessionNumber"),
        body_part_examined=text(header, "BodyPartExamined").strip().upper(),
        study_instance_uid=text(header, "StudyInstanceUID"),
        series_instance_uid=text(header, "SeriesInstanceUID"),
        lossy=text(header, "LossyImageCompression").strip() == "01",
        burned_in_annotation=text(header, "BurnedInAnnotation").strip().upper() == "YES",
    )


def age_years(age: str) -> int | None:
    """Give whole years from an Age String (PS3.5 §6.2 AS) or a bare number; None if it is neither."""
    digits, unit = (
        (age.strip()[:-1], age.strip()[-1:].upper()) if not age.strip().isdecimal() else (age.strip(), "Y")
    )
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 3 and unit in "YMWD" and unit):
        return None
    return int(digits) // {"Y": 1, "M": 12, "W": 52, "D": 365}[unit]


def _given_family(name: str) -> str:
    """Render a person name: prefix and suffix go, the first group with text in it counts (PS3.5 §6.2.1)."""
    for group in name.split("="):
        family, given, middle = ([*group.split("^"), "", "", ""])[:3]
        parts = [part.strip() for part in (given, middle, family) if part.strip()]
        if parts:
            return " ".join(parts)
    return ""


def _age_at(birth_date: str, study_date: str) -> str:
    """Derive NNNY from two dates YYYYMMDD; "" if either is missing, malformed or out of order."""
    dates = birth_date.strip(), study_date.strip()
    if not all(len(date) == 8 and date.isascii() and date.isdecimal() for date in dates):
        return ""
    years = (int(dates[1]) - int(dates[0])) // 10000  # the calendar's order is the numbers' order
    return f"{years:03d}Y" if 0 <= years <= 150 else ""
