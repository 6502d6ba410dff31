"""What the folds of the corner network say together: is this a photo of a screen, and where is it."""

from typing import Any, NamedTuple

import numpy as np

from gateway.imaging.letterbox import placement
from gateway.imaging.screen.quad import AREA_MAX, fault_of, ordered, signed_area
from gateway.imaging.screen.refine import classical_quad, refined
from gateway.imaging.vhs.folds import MIN_FOLDS, consensus

PHOTO_FROM = 0.5
"""Mean probability from which a picture counts as a photo of a screen."""
PEAK_MIN = 0.35
"""Mean share of the heatmaps around their highest cell, below which the network does not know."""
SPREAD_MAX = 0.02
"""Standard deviation of the folds' corners, per axis, in long sides of the picture."""


class Found(NamedTuple):
    """The corner network's output for one picture; K folds."""

    corners: np.ndarray
    """float32 (K, 4, 2), TL, TR, BR, BL in shares of the square."""
    peaks: np.ndarray
    """float32 (K, 4)."""
    screen: np.ndarray
    """float32 (K,), logits, above 0 for a photo of a screen."""


class Screen(NamedTuple):
    """Where the screen lies in a picture, if it is a photo of one."""

    probability: float
    """Of a photo of a screen: mean of the folds."""
    is_photo: bool
    """Probability and area say so; the picture itself is the radiograph where they do not."""
    corners: np.ndarray
    """float64 (4, 2), TL, TR, BR, BL in continuous pixels of the picture."""
    spread: float
    """Of the folds, in long sides of the picture."""
    peak: float
    fault: str | None
    """Why the corners cannot be used; None where they can."""

    def to_json(self) -> dict[str, Any]:
        """Give the document that the pipeline answers with."""
        return {
            "probability": self.probability,
            "is_photo": self.is_photo,
            "corners": self.corners.tolist() if self.fault is None else None,
            "spread": self.spread,
            "peak": self.peak,
            "fault": self.fault,
        }


def locate(picture: np.ndarray, found: Found, side: int) -> Screen:
    """Find the screen in a picture.

    Parameters
    ----------
    picture
        uint8 (rows, columns), upright.
    found
        The network's output for it.
    side
        Of the network's input in pixels.
    """
    rows, columns = picture.shape
    probability = probability_of(found.screen)
    answered = found.corners[np.isfinite(found.corners).all((1, 2))].astype(np.float64)
    if len(answered) < MIN_FOLDS:
        silent = f"{len(answered)} folds answered, expected at least {MIN_FOLDS}"
        return Screen(probability, probability >= PHOTO_FROM, np.zeros((4, 2)), 1.0, 0.0, silent)
    each = placement(columns, rows, side).to_picture(answered * side)
    spread = float(np.sqrt((each / max(rows, columns)).var(0).mean(1)).mean())
    peak = float(np.nanmean(found.peaks))
    coarse = ordered(consensus(each))
    corners, fault = _exact(picture, coarse, spread, peak)
    photo = probability >= PHOTO_FROM and signed_area(corners) <= AREA_MAX * rows * columns
    return Screen(probability, photo, corners, spread, peak, fault)


def probability_of(logits: np.ndarray) -> float:
    """Give the mean probability of the folds that answered; 0 with too few."""
    finite = logits[np.isfinite(logits)].astype(np.float64)
    if len(finite) < MIN_FOLDS:
        return 0.0
    return float(np.mean(1 / (1 + np.exp(-finite.clip(-60, 60)))))


def _exact(
    picture: np.ndarray, coarse: np.ndarray, spread: float, peak: float
) -> tuple[np.ndarray, str | None]:
    """Refine the corners; where the heatmaps are flat, look for them without the network."""
    rows, columns = picture.shape
    if peak < PEAK_MIN:
        classical = classical_quad(picture)
        if classical is None:
            return coarse, f"mean peak {peak:.2f}, and no quadrilateral of edges"
        return refined(picture, classical), None
    exact = refined(picture, coarse)
    if spread > SPREAD_MAX:
        return exact, f"spread of the folds {spread:.3f}, expected at most {SPREAD_MAX}"
    if fault := fault_of(coarse, columns, rows):
        return coarse, fault
    return (exact if fault_of(exact, columns, rows) is None else coarse), None
