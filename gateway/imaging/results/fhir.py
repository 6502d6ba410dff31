"""FHIR R4 resources of results: Observations, and the DiagnosticReport that lists them."""

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from gateway import __version__
from gateway.imaging.dicom.attributes import text
from gateway.imaging.results.codes import IMAGING_STUDY, SYSTEMS, Model
from gateway.imaging.results.instance import DEVICE_UID, MANUFACTURER, Kind, instance_uid
from gateway.imaging.results.source import patient_id, require_references
from gateway.imaging.results.stamp import Stamp, fhir_id
from gateway.imaging.results.structured_report import DISCLAIMER, Number

STATUS = "preliminary"
"""Not `final`: nobody has verified the result. Whoever does makes a resource of their own of it, or a new
version of this one."""
_DICOM_UID = "urn:dicom:uid"


class Observed(NamedTuple):
    """What one Observation states: an answer, a number, or why there is neither."""

    name: Code
    answer: Code | None = None
    number: Number | None = None
    absent_reason: str = ""
    """A code of http://terminology.hl7.org/CodeSystem/data-absent-reason."""
    components: tuple[Number, ...] = ()


def resources(
    source: Dataset,
    observed: Sequence[Observed],
    *,
    model: Model,
    conclusion: str,
    conclusion_code: Code,
    stamp: Stamp,
    pdf: bytes = b"",
) -> list[dict[str, Any]]:
    """State results about one image as FHIR R4.

    Parameters
    ----------
    source
        Header of the image. Its patient is referred to by Patient ID, its study by Study Instance UID; names
        and dates of birth are not copied.
    pdf
        The report, presented with the DiagnosticReport.

    Returns
    -------
    JSON documents in the order in which they are to be stored: the Observations, then the
    DiagnosticReport. Ids follow from the job, the image and what is observed.

    Raises
    ------
    MissingAttribute
        The source has no UIDs to refer to.
    """
    require_references(source)
    image = text(source, "SOPInstanceUID").strip()
    common = _common(source, model, stamp)
    report_uid = instance_uid(source, Kind.REPORT, stamp)
    observations = [
        _observation(each, common, fhir_id(stamp.job_id, image, each.name.scheme_designator, each.name.value))
        for each in observed
    ]
    report: dict[str, Any] = {
        "resourceType": "DiagnosticReport",
        "id": fhir_id(stamp.job_id, image, "report"),
        "identifier": [{"system": _DICOM_UID, "value": f"urn:oid:{report_uid}"}],
        "status": STATUS,
        "category": [_concept("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology")],
        "code": concept(IMAGING_STUDY),
        **{key: common[key] for key in ("subject", "effectiveDateTime", "issued") if key in common},
        "imagingStudy": common["derivedFrom"],
        "result": [{"reference": f"Observation/{each['id']}"} for each in observations],
        "conclusion": f"{conclusion} {DISCLAIMER}".strip(),
        "conclusionCode": [concept(conclusion_code)],
    }
    if pdf:
        data = base64.b64encode(pdf).decode()
        report["presentedForm"] = [{"contentType": "application/pdf", "data": data}]
    return [*observations, report]


def concept(code: Code) -> dict[str, Any]:
    """Give a code as a CodeableConcept."""
    return _concept(SYSTEMS[code.scheme_designator], code.value, code.meaning)


def _observation(observed: Observed, common: Mapping[str, Any], resource_id: str) -> dict[str, Any]:
    resource = {
        "resourceType": "Observation",
        "id": resource_id,
        "status": STATUS,
        "category": [
            _concept("http://terminology.hl7.org/CodeSystem/observation-category", "imaging", "Imaging")
        ],
        "code": concept(observed.name),
        **common,
        "note": [{"text": DISCLAIMER}],
    }
    if observed.answer is not None:
        resource["valueCodeableConcept"] = concept(observed.answer)
    if observed.number is not None:
        resource["valueQuantity"] = _quantity(observed.number)
    if observed.absent_reason:
        system = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
        resource["dataAbsentReason"] = {"coding": [{"system": system, "code": observed.absent_reason}]}
    if observed.components:
        resource["component"] = [
            {"code": concept(each.name), "valueQuantity": _quantity(each)} for each in observed.components
        ]
    return resource


def _common(source: Dataset, model: Model, stamp: Stamp) -> dict[str, Any]:
    study = f"urn:oid:{text(source, 'StudyInstanceUID').strip()}"
    patient = patient_id(source)
    common = {
        "issued": _instant(stamp.at),
        "derivedFrom": [{"type": "ImagingStudy", "identifier": {"system": _DICOM_UID, "value": study}}],
        "device": {
            "type": "Device",
            "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{DEVICE_UID}"},
            "display": f"{MANUFACTURER} {__version__}",
        },
        "method": {"text": f"{model.name} {model.version}"},
    }
    date = text(source, "StudyDate").strip()
    if re.fullmatch("[0-9]{8}", date):
        common["effectiveDateTime"] = f"{date[:4]}-{date[4:6]}-{date[6:]}"
    if patient:
        common["subject"] = {"type": "Patient", "identifier": {"value": patient}}
    return common


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _quantity(number: Number) -> dict[str, Any]:
    unit = number.unit
    return {
        "value": number.value,
        "unit": unit.meaning.lower(),
        "system": SYSTEMS[unit.scheme_designator],
        "code": unit.value,
    }


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}
