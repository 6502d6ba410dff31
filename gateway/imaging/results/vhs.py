"""Results of one canine thorax: VHS and VLAS with their landmarks as SR and FHIR, the drawing."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.imaging.dicom.attributes import numbers
from gateway.imaging.errors import MissingAttribute
from gateway.imaging.results.codes import (
    CHEST_X_RAY,
    CONFIDENCE,
    CONFIDENCE_CODES,
    LANDMARK_CODES,
    VERTEBRAE,
    VHS,
    VHS_RESULT,
    VHS_RESULT_CODES,
    VLAS,
    Model,
)
from gateway.imaging.results.fhir import Observed, resources
from gateway.imaging.results.picture import picture
from gateway.imaging.results.stamp import Stamp
from gateway.imaging.results.structured_report import Number, Statement, measurement_report

_DRAWING = (
    "Radiograph with the landmarks and axes of the vertebral heart scale. Not for diagnosis or measurement."
)
_RECTIFIED = (
    "The image is a photo of a screen and was rectified before it was measured: the landmarks lie in the "
    "rectified picture and are not given here."
)


def vhs_results(
    source: Dataset,
    assessment: Mapping[str, Any],
    rendered_rgb: NDArray[np.uint8] | None,
    *,
    model: Model,
    stamp: Stamp,
) -> list[Dataset]:
    """Give a radiograph's SR and, where there is one, its drawing as DICOM objects in its study.

    Parameters
    ----------
    source
        The radiograph's header, with Rows and Columns.
    assessment
        The `result` document of the `vhs` ensemble: `gateway.imaging.vhs.result.Assessment.to_json`.
    rendered_rgb
        uint8 (rows, columns, 3), any size.

    Raises
    ------
    MissingAttribute, WrongContent
        The radiograph cannot be referred to.
    """
    report = measurement_report(
        source,
        [_summary(assessment), *_landmarks(source, assessment)],
        model=model,
        procedure=CHEST_X_RAY,
        stamp=stamp,
        comments=_comments(assessment),
    )
    if rendered_rgb is None:
        return [report]
    return [report, picture(source, rendered_rgb, _DRAWING, model=model, stamp=stamp)]


def vhs_resources(
    source: Dataset, assessment: Mapping[str, Any], *, model: Model, stamp: Stamp
) -> list[dict[str, Any]]:
    """Give a radiograph's measurements as FHIR R4: two Observations, then their DiagnosticReport."""
    measured = {number.name: number for number in _measurements(assessment)}
    observed = [
        Observed(name, number=measured[name], components=())
        if name in measured
        else Observed(name, absent_reason="error")
        for name in (VHS, VLAS)
    ]
    return resources(
        source,
        observed,
        model=model,
        conclusion=" ".join(_comments(assessment)),
        conclusion_code=VHS_RESULT_CODES[assessment["result_code"]],
        stamp=stamp,
    )


def _summary(assessment: Mapping[str, Any]) -> Statement:
    evaluations = [(VHS_RESULT, VHS_RESULT_CODES[assessment["result_code"]])]
    if assessment["vhs"] is not None:
        evaluations.append((CONFIDENCE, CONFIDENCE_CODES[assessment["model_confidence"]]))
    return Statement("Measurements", None, tuple(_measurements(assessment)), tuple(evaluations))


def _measurements(assessment: Mapping[str, Any]) -> Iterator[Number]:
    """Give what was measured, rounded as the public contract rounds it."""
    for name, key in ((VHS, "vhs"), (VLAS, "vlas")):
        if assessment[key] is not None:
            yield Number(name, round(float(assessment[key]), 2), VERTEBRAE)


def _landmarks(source: Dataset, assessment: Mapping[str, Any]) -> Iterator[Statement]:
    """Place the landmarks in the source's own pixels: their fractions of width and height are the same."""
    if assessment["pop_detected"] or not assessment["prediction"]:
        return
    size = [(numbers(source, keyword) or [0])[0] for keyword in ("Columns", "Rows")]
    if min(size) < 1:
        raise MissingAttribute("the DICOM attributes Rows and Columns are missing: landmarks refer to them")
    for point in assessment["prediction"]:
        place = (point["x"] * size[0], point["y"] * size[1])
        yield Statement(point["class"], LANDMARK_CODES[point["class"]], point=place)


def _comments(assessment: Mapping[str, Any]) -> list[str]:
    rectified = assessment["pop_detected"] and assessment["prediction"]
    return [assessment["result_description"], *([_RECTIFIED] if rectified else [])]
