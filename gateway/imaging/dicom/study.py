"""Who and what an image shows, as plain text from its DICOM header."""

from typing import NamedTuple

from pydicom.dataset import Dataset

from gateway.imaging.dicom.attributes import text
from gateway.imaging.dicom.reading import read_patient_id
from gateway.imaging.wording import age_between


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
        age=text(header, "PatientAge") or age_between(text(header, "PatientBirthDate"), study_date),
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


def _given_family(name: str) -> str:
    """Render a person name: prefix and suffix go, the first group with text in it counts (PS3.5 §6.2.1)."""
    for group in name.split("="):
        family, given, middle = ([*group.split("^"), "", "", ""])[:3]
        parts = [part.strip() for part in (given, middle, family) if part.strip()]
        if parts:
            return " ".join(parts)
    return ""
