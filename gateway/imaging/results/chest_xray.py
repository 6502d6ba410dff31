"""Results of one chest film: twelve findings as SR and FHIR, the heatmap, the report."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.imaging.results.codes import (
    ABSENT,
    CERTAINTY,
    CHEST_X_RAY,
    FINDING_CODES,
    NOT_ASSESSED,
    OVERALL,
    PERCENT,
    PRESENCE,
    PRESENT,
    RESULT_CODES,
    Model,
)
from gateway.imaging.results.document import document
from gateway.imaging.results.fhir import Observed, resources
from gateway.imaging.results.picture import picture
from gateway.imaging.results.stamp import Stamp
from gateway.imaging.results.structured_report import Number, Statement, measurement_report

_HEATMAP = (
    "Film with a colour map of where the model responded to the findings it reports as present; it does not "
    "show the extent of disease. Not for diagnosis or measurement."
)
_CERTAINTY = "A finding counts as present from a certainty of 50 percent on, the operating point."
_NO_TUBERCULOSIS = "Tuberculosis was not assessed: the overall assessment says nothing about it."


def chest_xray_results(
    source: Dataset,
    prediction: Mapping[str, Any],
    study: Mapping[str, Any],
    heatmap_rgb: NDArray[np.uint8],
    report_pdf: bytes,
    *,
    stamp: Stamp,
) -> list[Dataset]:
    """Give a film's SR, heatmap and report as DICOM objects in the film's study.

    Parameters
    ----------
    source
        The film's header, as from `gateway.imaging.dicom.read_header` or pydicom.
    prediction, study
        The two documents of the `chest_xray` ensemble.
    heatmap_rgb
        uint8 (rows, columns, 3).

    Raises
    ------
    MissingAttribute, WrongContent
        The film cannot be referred to.
    """
    model = model_of(prediction, study)
    report = measurement_report(
        source,
        list(_statements(prediction, study)),
        model=model,
        procedure=CHEST_X_RAY,
        stamp=stamp,
        comments=[_CERTAINTY, *_comments(prediction, study)],
    )
    heatmap = picture(source, heatmap_rgb, _HEATMAP, model=model, stamp=stamp)
    return [report, heatmap, document(source, report_pdf, "Chest X-ray AI report", model=model, stamp=stamp)]


def chest_xray_resources(
    source: Dataset,
    prediction: Mapping[str, Any],
    study: Mapping[str, Any],
    report_pdf: bytes = b"",
    *,
    stamp: Stamp,
) -> list[dict[str, Any]]:
    """Give a film's findings as FHIR R4: twelve Observations, then the DiagnosticReport that lists them."""
    return resources(
        source,
        [_observed(statement) for statement in _statements(prediction, study) if statement.finding],
        model=model_of(prediction, study),
        conclusion=" ".join([f"{prediction['result']}.", *_comments(prediction, study)]),
        conclusion_code=RESULT_CODES[prediction["result"]],
        stamp=stamp,
        pdf=report_pdf,
    )


def model_of(prediction: Mapping[str, Any], study: Mapping[str, Any]) -> Model:
    """Give which model answered."""
    sha256 = f"SHA-256 of the weights: {study['model_sha256']}"
    return Model(study["model_name"], prediction["metadata"]["model_version"], (sha256,))


def _statements(prediction: Mapping[str, Any], study: Mapping[str, Any]) -> Iterator[Statement]:
    yield Statement("Overall", evaluations=((OVERALL, RESULT_CODES[prediction["result"]]),))
    for finding, assessed in zip(prediction["findings"], study["assessed"], strict=True):
        code = FINDING_CODES[finding["name"]]
        if not assessed:
            yield Statement(finding["name"], code, evaluations=((PRESENCE, NOT_ASSESSED),))
            continue
        certainty = Number(CERTAINTY, round(100 * finding["confidence"], 2), PERCENT)
        answer = PRESENT if finding["presence"] else ABSENT
        yield Statement(finding["name"], code, (certainty,), ((PRESENCE, answer),))


def _observed(statement: Statement) -> Observed:
    assert statement.finding is not None
    answer = statement.evaluations[0][1]
    if answer == NOT_ASSESSED:
        return Observed(statement.finding, absent_reason="not-performed")
    return Observed(statement.finding, answer, components=statement.numbers)


def _comments(prediction: Mapping[str, Any], study: Mapping[str, Any]) -> list[str]:
    assessed = dict(zip((each["name"] for each in prediction["findings"]), study["assessed"], strict=True))
    return [] if assessed["Tuberculosis"] else [_NO_TUBERCULOSIS]
