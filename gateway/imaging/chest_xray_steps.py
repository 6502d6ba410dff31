"""The two pure ends of the chest_xray pipeline: film to network input, network output to answer."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gateway.imaging.chest_xray import (
    Finding,
    OperatingPoints,
    findings_of,
    require_chest_film,
    result_of,
)
from gateway.imaging.dicom import read_image
from gateway.imaging.dicom.study import study_of
from gateway.imaging.overlay import heatmap_overlay
from gateway.imaging.png import encode_jpeg, encode_png
from gateway.imaging.radiograph import render_radiograph, require_chest_radiograph, square_input

INPUT_SIZE_PX = 256
"""Side of the network's square input; a contract test holds it against the graph."""

THUMBNAIL_SIDE_PX = 900
"""Longer side of the report's pictures: 250 dots an inch at their printed size."""
THUMBNAIL_QUALITY = 85


class Prepared(NamedTuple):
    """A film on its way into the network."""

    image: np.ndarray
    """float32 (1, INPUT_SIZE_PX, INPUT_SIZE_PX) in [0, 1]."""
    source_image: np.ndarray
    """uint8 (rows, columns), air dark, bone bright."""
    header: dict[str, Any]
    """The fields of `Study`, and `notes` on what was done to the film."""


class Conclusion(NamedTuple):
    """What the pipeline answers."""

    prediction: dict[str, Any]
    """result, findings, metadata as in the public contract."""
    study: dict[str, Any]
    """What the report states beyond it."""
    heatmap: np.ndarray
    """uint8 (rows, columns, 3), BGR."""


class Model(NamedTuple):
    """Which model answers."""

    name: str
    sha256: str
    operating_points: OperatingPoints


def load_model(folder: Path) -> Model:
    """Read what belongs to the weights: their operating points and their hash."""
    points = json.loads((folder / "operating_points.json").read_text())
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    return Model(folder.parent.name, digest, OperatingPoints.from_json(points))


def prepare(dicom: bytes) -> Prepared:
    """Decode and render a chest film.

    Raises
    ------
    ImageError
        Not a film that can be assessed; the sentence says why.
    """
    dataset = read_image(dicom)
    require_chest_radiograph(dataset)
    study = study_of(dataset)
    film = render_radiograph(dataset)
    header = {**study._asdict(), "notes": list(film.notes)}
    return Prepared(square_input(film.pixels, INPUT_SIZE_PX), film.pixels, header)


def conclude(
    model: Model,
    *,
    logits: np.ndarray,
    activation_maps: np.ndarray,
    chest_logit: np.ndarray,
    source_image: np.ndarray,
    header: dict[str, Any],
    gate: bool = True,
) -> Conclusion:
    """Turn the network's output for one film into the answer.

    Parameters
    ----------
    logits
        float32 (12,), in the order of FINDINGS.
    activation_maps
        float32 (12, h, w), logits over the padded square of the film.
    chest_logit
        float32 (1,), above 0 for a frontal chest film.
    gate
        Refuse what is not a chest film.

    Raises
    ------
    WrongContent
        The gate refused it.
    """
    if gate:
        require_chest_film(float(chest_logit[0]))
    points = model.operating_points.points
    findings = findings_of(logits, points)
    thresholds = [point.threshold for point in points]
    heatmap = heatmap_overlay(source_image, activation_maps, findings, thresholds=thresholds)
    study = {
        **header,
        "model_name": model.name,
        "model_sha256": model.sha256,
        "thresholds": thresholds,
        "assessed": [finding.assessed for finding in findings],
        "chest_logit": round(float(chest_logit[0]), 4),
    }
    return Conclusion(_prediction(model, findings, header), study, heatmap)


def thumbnail(pixels: np.ndarray) -> bytes:
    """Encode a picture for the report, as JPEG."""
    return encode_jpeg(pixels, max_side_px=THUMBNAIL_SIDE_PX, quality=THUMBNAIL_QUALITY)


def images_of(source_image: np.ndarray, heatmap: np.ndarray) -> dict[str, bytes]:
    """Encode the answer's pictures, by tensor name."""
    return {
        "heatmap_png": encode_png(heatmap),
        "source_png": encode_png(source_image),
        "heatmap_jpeg": thumbnail(heatmap),
        "source_jpeg": thumbnail(source_image),
    }


def _prediction(model: Model, findings: tuple[Finding, ...], header: dict[str, Any]) -> dict[str, Any]:
    lines = [{"name": f.name, "presence": f.presence, "confidence": f.confidence} for f in findings]
    metadata = {
        "model_version": model.operating_points.model_version,
        **{key: header[key] for key in ("patient_id", "patient_name", "sop_instance_uid", "age", "sex")},
    }
    return {"result": result_of(findings), "findings": lines, "metadata": metadata}
