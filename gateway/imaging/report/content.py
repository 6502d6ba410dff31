"""What a chest film's report says: plain values, and the cautions that follow from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway import __version__
from gateway.imaging.chest_xray import FINDINGS, Finding
from gateway.imaging.wording import age_years

_CAUTION_YOUNG = (
    "Patient younger than 15 years: WHO recommends computer-aided detection of tuberculosis on chest "
    "radiographs from the age of 15 (2021)."
)
_CAUTION_LATERAL = "Lateral view: the model is made for frontal films; this result is not valid for it."
_CAUTION_NO_TB = (
    "Tuberculosis was not assessed by this model version: the overall result says nothing about it."
)
_CAUTION_LOSSY = "The image was compressed with loss: fine detail may be missing."


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """What a report says. Strings come as they are in the DICOM file; empty means not given."""

    report_id: str
    generated_at: datetime
    """Aware; printed in UTC."""
    product_version: str
    result: str
    """The overall result, as in the prediction JSON."""
    findings: tuple[Finding, ...]
    source_jpeg: bytes
    heatmap_jpeg: bytes
    site: str = ""
    patient_id: str = ""
    patient_name: str = ""
    patient_age: str = ""
    """DICOM age string, such as 045Y."""
    patient_sex: str = ""
    study_date: str = ""
    """DICOM date, such as 20240131."""
    modality: str = ""
    view_position: str = ""
    accession_number: str = ""
    sop_instance_uid: str = ""
    lossy_image_compression: bool = False
    model_name: str = ""
    model_version: str = ""
    model_hash: str = ""
    operating_points: tuple[float, ...] = ()
    """The model's raw probability that became a confidence of 0.5, one for each of `findings`."""
    image_notes: tuple[str, ...] = ()
    processing_ms: float | None = None


def content_of(
    prediction: Mapping[str, Any],
    study: Mapping[str, Any],
    *,
    source_jpeg: bytes,
    heatmap_jpeg: bytes,
    report_id: str,
    generated_at: datetime,
    site: str = "",
    processing_ms: float | None = None,
) -> ReportContent:
    """Gather what a report says from the pipeline's two documents, both as the ensemble gives them."""
    metadata = prediction["metadata"]
    findings = (
        Finding(**line, assessed=assessed)
        for line, assessed in zip(prediction["findings"], study["assessed"], strict=True)
    )
    return ReportContent(
        report_id=report_id,
        generated_at=generated_at,
        product_version=__version__,
        result=prediction["result"],
        findings=tuple(findings),
        source_jpeg=source_jpeg,
        heatmap_jpeg=heatmap_jpeg,
        site=site,
        patient_id=metadata["patient_id"],
        patient_name=metadata["patient_name"],
        patient_age=metadata["age"],
        patient_sex=metadata["sex"],
        study_date=study["study_date"],
        modality=study["modality"],
        view_position=study["view_position"],
        accession_number=study["accession_number"],
        sop_instance_uid=metadata["sop_instance_uid"],
        lossy_image_compression=study["lossy"],
        model_name=study["model_name"],
        model_version=metadata["model_version"],
        model_hash=study["model_sha256"],
        operating_points=tuple(study["thresholds"]),
        image_notes=tuple(study["notes"]),
        processing_ms=processing_ms,
    )


def cautions(content: ReportContent) -> list[str]:
    """Give the reasons to trust this result less."""
    years = age_years(content.patient_age)
    is_young = years is not None and years < 15
    is_lateral = content.view_position.strip().upper() in ("LL", "RL", "LLD", "RLD", "LAT", "LATERAL")
    unassessed = {finding.name for finding in content.findings if not finding.assessed}
    return (
        [_CAUTION_NO_TB] * (FINDINGS[0] in unassessed)
        + [_CAUTION_YOUNG] * is_young
        + [_CAUTION_LATERAL] * is_lateral
        + [_CAUTION_LOSSY] * content.lossy_image_compression
    )
