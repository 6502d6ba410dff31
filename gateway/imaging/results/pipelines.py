"""By an ensemble's name: what it is fed with of a DICOM file, and what its outputs are as results."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.imaging.dicom import read_image
from gateway.imaging.png import encode_png
from gateway.imaging.radiograph import render_radiograph
from gateway.imaging.report import build_report, content_of
from gateway.imaging.results.any_model import any_results
from gateway.imaging.results.chest_xray import chest_xray_resources, chest_xray_results
from gateway.imaging.results.codes import Model
from gateway.imaging.results.stamp import Stamp, uid
from gateway.imaging.results.vhs import vhs_resources, vhs_results

Tensors = Mapping[str, np.ndarray]
PICTURE_SIDE_PX = 2048
"""Longer side of pictures sent to archives: they are looked at, never measured."""


@dataclass(frozen=True)
class Results:
    """What one image gives."""

    document: dict[str, Any]
    """As JSON."""
    dicom: list[Dataset]
    fhir: list[dict[str, Any]] = field(default_factory=list)
    """In the order in which they are to be stored."""


@dataclass(frozen=True)
class Pipeline:
    """One ensemble's two ends. Both functions block, for tenths of a second."""

    inputs: Callable[[bytes], dict[str, np.ndarray]]
    """A DICOM file's bytes to the ensemble's tensors, batch axis included; raises ImageError."""
    results: Callable[[Tensors, Dataset, Model, Stamp], Results]
    """The ensemble's tensors, the source's header, the model, the occasion; raises ImageError."""


def pipeline_of(model: str) -> Pipeline:
    """Give an ensemble's two ends; one that is not known here is taken for one that takes a picture."""
    return _PIPELINES.get(model, _GENERIC)


def dicom_input(dicom: bytes) -> dict[str, np.ndarray]:
    """Feed the file as it is."""
    return {"dicom": np.frombuffer(dicom, np.uint8)[np.newaxis]}


def picture_input(dicom: bytes) -> dict[str, np.ndarray]:
    """Feed the first frame as it is looked at, as a PNG."""
    png = encode_png(render_radiograph(read_image(dicom)).pixels)
    return {"image": np.array([[png]], np.object_)}


def _drawn_picture_input(dicom: bytes) -> dict[str, np.ndarray]:
    return {**picture_input(dicom), "render": np.array([[True]])}


def _chest_xray(outputs: Tensors, source: Dataset, model: Model, stamp: Stamp) -> Results:
    prediction, study = _document(outputs["prediction"]), _document(outputs["study"])
    heatmap = _picture(outputs["heatmap_png"])
    assert heatmap is not None
    report = build_report(
        content_of(
            prediction,
            study,
            source_jpeg=outputs["source_jpeg"].tobytes(),
            heatmap_jpeg=outputs["heatmap_jpeg"].tobytes(),
            report_id=str(uid(stamp.job_id, study["sop_instance_uid"], "report")),
            generated_at=stamp.at,
        ),
        invariant=True,
    )
    return Results(
        prediction,
        chest_xray_results(source, prediction, study, heatmap, report, stamp=stamp),
        chest_xray_resources(source, prediction, study, report, stamp=stamp),
    )


def _vhs(outputs: Tensors, source: Dataset, model: Model, stamp: Stamp) -> Results:
    assessment, drawing = _document(outputs["result"]), _picture(outputs["rendered_png"])
    return Results(
        assessment,
        vhs_results(source, assessment, drawing, model=model, stamp=stamp),
        vhs_resources(source, assessment, model=model, stamp=stamp),
    )


def _any(outputs: Tensors, source: Dataset, model: Model, stamp: Stamp) -> Results:
    return Results(*any_results(outputs, source, model=model, stamp=stamp))


_PIPELINES = {
    "chest_xray": Pipeline(dicom_input, _chest_xray),
    "vhs": Pipeline(_drawn_picture_input, _vhs),
}
_GENERIC = Pipeline(picture_input, _any)


def _document(tensor: np.ndarray) -> Any:
    return json.loads(tensor.reshape(-1)[0])


def _picture(png: np.ndarray) -> NDArray[np.uint8] | None:
    """Decode a PNG as RGB, shrunk to `PICTURE_SIDE_PX`; None if there is none."""
    if not png.size:
        return None
    pixels = cv2.imdecode(png.reshape(-1), cv2.IMREAD_COLOR)
    scale = PICTURE_SIDE_PX / max(pixels.shape[:2])
    if scale < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(pixels[..., ::-1], np.uint8)
