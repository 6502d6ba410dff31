"""Comprehensive SR after TID 1500: groups of coded statements about one source image."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import highdicom.sr as sr
import numpy as np
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from gateway import __version__
from gateway.imaging.errors import WrongContent
from gateway.imaging.results.codes import COMMENT, QUALITATIVE, SCHEME, SCHEME_UID, Model
from gateway.imaging.results.instance import (
    DEVICE_UID,
    MANUFACTURER,
    Kind,
    ascii_text,
    complete,
    instance_uid,
    series_uid,
)
from gateway.imaging.results.source import evidence, frame_numbers, require_references
from gateway.imaging.results.stamp import Stamp, uid

DISCLAIMER = (
    "Made by software, not verified by a person. Decision support only: not a diagnosis; to be reviewed by a "
    "qualified reader."
)

Group: TypeAlias = (
    sr.MeasurementsAndQualitativeEvaluations | sr.PlanarROIMeasurementsAndQualitativeEvaluations
)


class Number(NamedTuple):
    """A measured value."""

    name: Code
    value: float
    unit: Code


class Statement(NamedTuple):
    """One group of the report: what is said about one thing."""

    label: str
    """Human readable, ASCII, unique in the report."""
    finding: Code | None = None
    numbers: tuple[Number, ...] = ()
    evaluations: tuple[tuple[Code, Code], ...] = ()
    """Questions and answers."""
    point: tuple[float, float] | None = None
    """Where, as (column, row) in the source image: 0, 0 is the outer corner of the first pixel."""


def measurement_report(
    source: Dataset,
    statements: Sequence[Statement],
    *,
    model: Model,
    procedure: Code,
    stamp: Stamp,
    comments: Sequence[str] = (),
) -> Dataset:
    """Write statements about one image as a Comprehensive SR.

    Parameters
    ----------
    source
        Header of the image.
    comments
        Said besides `DISCLAIMER`, in any script.

    Returns
    -------
    Complete, preliminary and unverified, with the source image as evidence.

    Raises
    ------
    MissingAttribute, WrongContent
        The source cannot be referred to.

    References
    ----------
    DICOM PS3.16 TID 1500, 1501, 1410, 4019, 1004; PS3.3 C.17.2, C.18.6.1.2.
    """
    require_references(source)
    image = evidence(source)
    try:
        groups = [_group(each, image, frame_numbers(source), model, stamp) for each in statements]
    except KeyError as error:
        raise WrongContent("SOPClassUID: expected a storage class of images, came something else") from error
    content = sr.MeasurementReport(
        observation_context=_observer(model),
        procedure_reported=procedure,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    content[0].ContentSequence.append(_remarks([DISCLAIMER, *comments]))
    report = sr.ComprehensiveSR(
        evidence=[image],
        content=content,
        series_instance_uid=series_uid(source, Kind.REPORT, stamp),
        series_number=Kind.REPORT.series_number,
        sop_instance_uid=instance_uid(source, Kind.REPORT, stamp),
        instance_number=stamp.number,
        manufacturer=MANUFACTURER,
        is_complete=True,
        coding_schemes=[_coding_scheme()],
    )
    return complete(report, source, Kind.REPORT, stamp, model.name)


def _observer(model: Model) -> sr.ObservationContext:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=DEVICE_UID,
        name=f"{MANUFACTURER} {__version__}",
        manufacturer_name=MANUFACTURER,
        model_name=ascii_text(model.name),
    )
    context = sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    return sr.ObservationContext(observer_device_context=context)


def _group(statement: Statement, image: Dataset, frames: list[int], model: Model, stamp: Stamp) -> Group:
    said = _said(statement, image, model, stamp)
    referred = (image.SOPClassUID, image.SOPInstanceUID, frames or None)
    if statement.point is None:
        return sr.MeasurementsAndQualitativeEvaluations(
            **said, source_images=[sr.SourceImageForMeasurementGroup(*referred)]
        )
    region = sr.ImageRegion("POINT", np.array([statement.point]), sr.SourceImageForRegion(*referred))
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(**said, referenced_region=region)


def _said(statement: Statement, image: Dataset, model: Model, stamp: Stamp) -> dict[str, Any]:
    # Once is enough: the statement about the whole image names the state of the model.
    parameters = [] if statement.finding else [ascii_text(each) for each in model.parameters]
    return {
        "tracking_identifier": sr.TrackingIdentifier(
            uid=uid(stamp.job_id, image.SOPInstanceUID, "tracking", statement.label),
            identifier=statement.label,
        ),
        "finding_type": statement.finding,
        "algorithm_id": sr.AlgorithmIdentification(
            ascii_text(model.name),
            ascii_text(model.version),
            manufacturer=MANUFACTURER,
            parameters=parameters or None,
        ),
        "measurements": [sr.Measurement(*each) for each in statement.numbers],
        "qualitative_evaluations": [sr.QualitativeEvaluation(*each) for each in statement.evaluations],
    }


def _remarks(comments: Sequence[str]) -> Dataset:
    """Make the container of what is said about the image as a whole (TID 1500, row 12)."""
    container = sr.ContainerContentItem(QUALITATIVE, relationship_type="CONTAINS")
    container.ContentSequence = sr.ContentSequence(
        [sr.TextContentItem(COMMENT, ascii_text(each), relationship_type="CONTAINS") for each in comments]
    )
    return container


def _coding_scheme() -> CodingSchemeIdentificationItem:
    return CodingSchemeIdentificationItem(
        SCHEME, name=f"{MANUFACTURER} codes", uid=SCHEME_UID, responsible_organization=MANUFACTURER
    )
