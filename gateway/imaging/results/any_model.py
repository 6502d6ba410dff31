"""Results of a model that this project does not know: its outputs as an SR, and its mask as a SEG."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from gateway.imaging.errors import WrongContent, WrongGeometry
from gateway.imaging.results.codes import IMAGING, Model
from gateway.imaging.results.segmentation import Segment, segmentation
from gateway.imaging.results.stamp import Stamp
from gateway.imaging.results.structured_report import Statement, measurement_report

MASK, SEGMENTS = "segmentation", "segments"
"""Names of the two outputs that a model gives a mask by."""
_MAX_VALUES = 4096
_MAX_SEGMENTS = 255


def any_results(
    outputs: Mapping[str, np.ndarray], source: Dataset, *, model: Model, stamp: Stamp
) -> tuple[dict[str, Any], list[Dataset]]:
    """Report whatever came: each small output as one line of text, and a mask as what it is.

    Parameters
    ----------
    outputs
        By tensor name, batch axis first. A mask is the output `segmentation`, UINT8 [rows, columns] of the
        image, 0 where nothing is, n where `segments[n - 1]` is; `segments`, one string, is a JSON list of
        `{"label": "Lung", "code": ["39607008", "SCT", "Lung"], "category": [...]}`, category optional.

    Returns
    -------
    The outputs as JSON, and the DICOM objects.

    Raises
    ------
    WrongContent, WrongGeometry
        The mask or what it says about its segments is not of that form, or does not fit the image.
    MissingAttribute
        The source cannot be referred to.
    """
    document = {name: _plain(outputs[name]) for name in sorted(outputs)}
    lines = [f"{name}: {json.dumps(value)}" for name, value in document.items()]
    report = measurement_report(
        source, [Statement("Output")], model=model, procedure=IMAGING, stamp=stamp, comments=lines
    )
    if MASK not in outputs:
        return document, [report]
    segments = _segments(document.get(SEGMENTS))
    mask = segmentation([source], _mask(outputs[MASK]), segments, model=model, stamp=stamp)
    return document, [report, mask]


def _mask(tensor: np.ndarray) -> np.ndarray:
    if tensor.dtype != np.uint8 or tensor.ndim != 3 or len(tensor) != 1:
        raise WrongGeometry(
            f"the model's output {MASK} must be UINT8 [1, rows, columns], came {tensor.dtype} "
            f"{list(tensor.shape)}"
        )
    return np.asarray(tensor[0])


def _segments(listed: object) -> list[Segment]:
    if not isinstance(listed, list) or not 1 <= len(listed) <= _MAX_SEGMENTS:
        raise WrongContent(
            f"the model's output {SEGMENTS} must be a JSON list of 1 to {_MAX_SEGMENTS} segments"
        )
    return [_segment(number, each) for number, each in enumerate(listed, 1)]


def _segment(number: int, item: object) -> Segment:
    if isinstance(item, dict) and isinstance(item.get("label"), str) and item["label"]:
        given = [item[name] for name in ("code", "category") if name in item]
        codes = [Code(*parts) for parts in given if _is_code(parts)]
        if "code" in item and len(codes) == len(given):
            segment = Segment(item["label"], codes[0])
            return segment._replace(property_category=codes[1]) if len(codes) > 1 else segment
    raise WrongContent(
        f"segment {number} of the model's output {SEGMENTS} must have a label and a code, "
        "[value, scheme, meaning]"
    )


def _is_code(parts: object) -> bool:
    return (
        isinstance(parts, list) and len(parts) == 3 and all(isinstance(each, str) and each for each in parts)
    )


def _plain(tensor: np.ndarray) -> Any:
    """Give a tensor as JSON: text parsed where it is JSON, large arrays by their shape only."""
    values = tensor[0] if tensor.ndim > 1 else tensor
    if values.dtype == np.object_:
        texts = [_parsed(each) for each in values.reshape(-1)]
        return texts[0] if len(texts) == 1 else texts
    if values.size > _MAX_VALUES:
        return {"shape": list(values.shape), "dtype": str(values.dtype)}
    return values.tolist()


def _parsed(value: bytes | str) -> Any:
    shown = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    try:
        return json.loads(shown)
    except ValueError:
        return shown
