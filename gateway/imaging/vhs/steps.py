"""The two pure ends of the vhs pipeline: file to network input, network output to answer."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.imaging.picture import read_picture
from gateway.imaging.vhs.assessment import View, assess
from gateway.imaging.vhs.drawing import annotated_png
from gateway.imaging.vhs.folds import Folds
from gateway.imaging.vhs.network_input import network_input

ENOUGH_PX = 1_600
"""Longer side that the pictures need: three times the networks', and what a screen shows of a film."""


class Prepared(NamedTuple):
    """A picture on its way into the networks."""

    picture: NDArray[np.uint8]
    """(rows, columns), upright, grey."""
    letterbox: NDArray[np.float32]
    """(1, INPUT_SIZE_PX, INPUT_SIZE_PX) in [0, 1]."""
    header: dict[str, Any]
    """width, height, reduction, file_size (width and height, upright), focal_35mm_mm, bits."""


def prepare(data: bytes) -> Prepared:
    """Decode a JPEG or PNG for the networks.

    Raises
    ------
    ImageError
        Not a picture that can be measured; the sentence says why.
    """
    picture = read_picture(data, enough_px=ENOUGH_PX)
    return Prepared(picture.pixels, network_input(picture.pixels), picture.header())


def conclude(
    *,
    fold_landmarks: NDArray[np.float32],
    fold_peaks: NDArray[np.float32],
    fold_validity: NDArray[np.float32],
    picture: NDArray[np.uint8],
    header: Mapping[str, Any],
    render: bool,
) -> tuple[dict[str, Any], bytes]:
    """Turn the network's output for one picture into the answer.

    Returns
    -------
    The `Assessment` as JSON, and where `render` asks for it the annotated PNG, else nothing.
    """
    assessment = assess(Folds(fold_landmarks, fold_peaks, fold_validity), View.from_header(header))
    return assessment.to_json(), annotated_png(picture, assessment) if render else b""
