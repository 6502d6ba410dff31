"""The heavy halves of one inference, made to run in a process of their own: pure functions of bytes."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from gateway.apis.inference_requests.algorithms import Takes
from gateway.imaging.dicom import MAX_FILE_BYTES, read_header
from gateway.imaging.dicom.attributes import text
from gateway.imaging.dicom.reading import read_instance
from gateway.imaging.errors import ImageError
from gateway.imaging.results import Model, Stamp, encoded, pipeline_of
from gateway.imaging.results.instance import MANUFACTURER
from gateway.imaging.results.pipelines import dicom_input

_RESULTS_WITH_PIXELS = {"1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.66.4"}
"""Secondary Capture and Segmentation."""


class NoImage(ImageError):
    """A DICOM object that is not to be assessed: one without pixels, or an earlier result of ours."""


class Made(NamedTuple):
    """What one instance gives."""

    document: dict[str, Any]
    dicom: list[bytes]
    fhir: list[dict[str, Any]]


def run(name: str, *arguments: Any) -> Any:
    """Call one of the functions below: a worker process knows one function only.

    Raises
    ------
    ImageError
    """
    functions: dict[str, Callable[..., Any]] = {"prepared": prepared, "made": made}
    return functions[name](*arguments)


def prepared(dicom: bytes, model: str, takes: Takes) -> dict[str, np.ndarray]:
    """Make a model's inputs of a DICOM file.

    Raises
    ------
    NoImage, ImageError
    """
    if len(dicom) > MAX_FILE_BYTES:
        raise ImageError(f"the file has {len(dicom)} bytes; at most {MAX_FILE_BYTES} are read")
    header = read_instance(dicom)
    if "Rows" not in header or "Columns" not in header:
        raise NoImage("the instance holds no image")
    is_derived = text(header, "SOPClassUID").strip() in _RESULTS_WITH_PIXELS
    if is_derived and text(header, "Manufacturer").strip() == MANUFACTURER:
        raise NoImage("the instance is an earlier result")
    return dicom_input(dicom) if takes == "dicom" else pipeline_of(model).inputs(dicom)


def made(
    dicom: bytes, outputs: Mapping[str, np.ndarray], model: Model, job_id: str, at: str, number: int
) -> Made:
    """Make results of a model's outputs.

    Raises
    ------
    ImageError
    """
    stamp = Stamp(job_id, datetime.fromisoformat(at), number)
    results = pipeline_of(model.name).results(outputs, read_header(dicom), model, stamp)
    return Made(results.document, [encoded(each) for each in results.dicom], results.fhir)
