"""What a result takes over from its source image: whose it is, which study, what it refers to."""

import copy
from collections.abc import Iterator

from pydicom import config, uid
from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.valuerep import validate_value

from gateway.imaging.dicom.attributes import VALUE_FAULTS, numbers, text
from gateway.imaging.errors import MissingAttribute

_ANIMAL = (
    "PatientSpeciesDescription", "PatientSpeciesCodeSequence", "PatientBreedDescription",
    "PatientBreedCodeSequence", "BreedRegistrationSequence", "ResponsiblePerson", "ResponsiblePersonRole",
    "ResponsibleOrganization", "PatientSexNeutered",
)  # fmt: skip
_PATIENT = (
    "PatientName", "PatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "TypeOfPatientID",
    "PatientBirthDate", "PatientBirthTime", "PatientSex", "OtherPatientIDsSequence", "OtherPatientNames",
    "EthnicGroup", "PatientComments", "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "QualityControlSubject", *_ANIMAL,
    "ClinicalTrialSponsorName", "ClinicalTrialProtocolID", "ClinicalTrialProtocolName", "ClinicalTrialSiteID",
    "ClinicalTrialSiteName", "ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID",
)  # fmt: skip
_STUDY = (
    "StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber",
    "IssuerOfAccessionNumberSequence", "StudyDescription", "PhysiciansOfRecord", "ProcedureCodeSequence",
    "PatientAge", "PatientSize", "PatientWeight", "ClinicalTrialTimePointID",
    "ClinicalTrialTimePointDescription", "TimezoneOffsetFromUTC",
)  # fmt: skip
_NEVER_ABSENT = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "ReferringPhysicianName", "StudyID", "AccessionNumber",
)  # fmt: skip
"""Type 2: empty where the source says nothing."""
_OF_EVERY_ANIMAL = (
    "PatientBreedDescription", "PatientBreedCodeSequence", "BreedRegistrationSequence", "ResponsiblePerson",
    "ResponsibleOrganization", "PatientSexNeutered",
)  # fmt: skip
"""Type 2C: required of patients that are no humans (PS3.3 C.7.1.1, C.7.2.2)."""
_HOW_DEIDENTIFIED = ("DeidentificationMethod", "DeidentificationMethodCodeSequence")
_REFERENCE = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_STRICT = frozenset({"AS", "CS", "DA", "DS", "IS", "TM"})
"""Left out when malformed; text of any length is kept, since an archive matches by it."""
_SINGLE_FRAME = frozenset({
    uid.ComputedRadiographyImageStorage, uid.SecondaryCaptureImageStorage, uid.CTImageStorage,
    uid.MRImageStorage, uid.DigitalXRayImageStorageForPresentation, uid.DigitalXRayImageStorageForProcessing,
    uid.DigitalMammographyXRayImageStorageForPresentation,
    uid.DigitalMammographyXRayImageStorageForProcessing, uid.UltrasoundImageStorage,
})  # fmt: skip
_LATIN_1, _UTF_8 = "ISO_IR 100", "ISO_IR 192"


def require_references(source: Dataset) -> None:
    """Refuse a source that a result could not be filed with.

    Raises
    ------
    MissingAttribute
        One of its four UIDs is absent or empty; the sentence names it.
    """
    for keyword in _REFERENCE:
        if not text(source, keyword).strip():
            raise MissingAttribute(
                f"the DICOM attribute {keyword} {Tag(keyword)} is missing: results refer to their source"
            )


def frame_numbers(source: Dataset) -> list[int]:
    """Give the frames that a reference to the source names: of several, the first; of one image, none."""
    if text(source, "SOPClassUID").strip() in _SINGLE_FRAME:  # whatever the file holds
        return []
    return [1] if (numbers(source, "NumberOfFrames") or [1])[0] > 1 else []


def reference(source: Dataset) -> Dataset:
    """Give the item by which an object refers to its source image."""
    item = Dataset()
    item.ReferencedSOPClassUID = text(source, "SOPClassUID").strip()
    item.ReferencedSOPInstanceUID = text(source, "SOPInstanceUID").strip()
    if frame_numbers(source):
        item.ReferencedFrameNumber = frame_numbers(source)
    return item


def evidence(source: Dataset) -> Dataset:
    """Give what highdicom needs to refer to an image; whose it is follows with `file_with`."""
    evidence = Dataset()
    for keyword in _REFERENCE:
        setattr(evidence, keyword, text(source, keyword).strip())
    for keyword in _NEVER_ABSENT:
        setattr(evidence, keyword, None)
    return evidence


def file_with(source: Dataset, result: Dataset) -> None:
    """Make a result one of the source's patient and study, as the source writes them.

    Only the attributes of those modules are taken over, each as it is; those that are malformed or
    unreadable count as absent, and private ones go. Text stays in the source's character set.

    Raises
    ------
    MissingAttribute
        See `require_references`.

    References
    ----------
    DICOM PS3.3 C.7.1.1 Patient, C.7.2.1 General Study, C.7.2.2 Patient Study, C.12.1.1.2 Specific
    Character Set.
    """
    require_references(source)
    elements = {element.keyword: element for element in _subject(source)}
    if not any(keyword in elements for keyword in _HOW_DEIDENTIFIED):
        elements.pop("PatientIdentityRemoved", None)  # may not be stated without saying how
    if any(keyword in elements for keyword in _ANIMAL):
        elements = {keyword: _empty(keyword) for keyword in _OF_EVERY_ANIMAL} | elements
    elements = {keyword: _empty(keyword) for keyword in _NEVER_ABSENT} | elements
    for keyword in (*_PATIENT, *_STUDY, "SpecificCharacterSet"):
        result.pop(Tag(keyword), None)
    for element in elements.values():
        result.add(element)
    terms = _character_set(source, elements.values())
    if terms is not None:
        result.SpecificCharacterSet = terms


def patient_id(source: Dataset) -> str:
    """Give Patient ID in the source's character set, values joined by backslashes; "" if there is none."""
    ids = [element for element in _subject(source) if element.keyword == "PatientID"]
    values = ids[0].value if ids and ids[0].VM > 1 else [element.value or "" for element in ids]
    return "\\".join(str(value) for value in values).strip()


def _subject(source: Dataset) -> Iterator[DataElement]:
    for keyword in (*_PATIENT, *_STUDY):
        try:
            element = _copied(source[keyword])
        except VALUE_FAULTS:
            continue
        if _is_sound(element):
            yield element


def _copied(element: DataElement) -> DataElement:
    value = copy.deepcopy(element.value)
    for item in value if element.VR == "SQ" else ():
        item.remove_private_tags()
    return DataElement(element.tag, element.VR, value, validation_mode=config.IGNORE)


def _is_sound(element: DataElement) -> bool:
    if element.VR not in _STRICT or element.is_empty:
        return dictionary_VR(element.tag) == element.VR
    values = element.value if element.VM > 1 else [element.value]
    try:
        for value in values:
            validate_value(element.VR, str(value), config.RAISE)
    except ValueError:
        return False
    return True


def _empty(keyword: str) -> DataElement:
    vr = dictionary_VR(keyword)
    return DataElement(Tag(keyword), vr, Sequence() if vr == "SQ" else None)


def _character_set(source: Dataset, elements: object) -> str | list[str] | None:
    """Choose what the copied text is written in: the source's own terms as long as they are known.

    Text that no term declares was read as Latin 1, which writes the same bytes and makes them valid.
    """
    declared = source.get("SpecificCharacterSet")
    terms = [declared] if isinstance(declared, str) else list(declared or ())
    if any(term not in python_encoding for term in terms):
        return _UTF_8
    if any(terms):
        return terms if len(terms) > 1 else terms[0]
    shown = "".join(str(element.value) for element in elements)  # type: ignore[attr-defined]
    return None if shown.isascii() else _LATIN_1
