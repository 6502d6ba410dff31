"""From the network's output for one picture to its assessment."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.imaging.vhs.folds import (
    FOLDS,
    MIN_FOLDS,
    Folds,
    consensus,
    spreads,
    validity_probability,
    widest_disagreement,
)
from gateway.imaging.vhs.landmarks import LANDMARKS, VHS_LANDMARKS, VLAS
from gateway.imaging.vhs.measurement import Measurement, measure, vertebra_length
from gateway.imaging.vhs.plausibility import PERPENDICULAR_FROM, found, heart_fault, spine_fault, vlas_fault
from gateway.imaging.vhs.result import (
    ABNORMAL,
    GOOD,
    NO_VLAS,
    NOT_MEASURABLE,
    OPTIMAL,
    PERSPECTIVE_FAILED,
    REJECTED,
    REVIEW,
    TIER_CODES,
    Assessment,
    Landmark,
)

VALID_FROM = 0.5
"""Mean probability of a lateral canine thorax from which a picture is measured."""
OPTIMAL_BELOW = 0.005
"""Spread, as a fraction of the picture's longer side; 0.005 is 0.31 vertebrae of VHS."""
GOOD_BELOW = 0.008
"""0.008 is 0.49 vertebrae, what human observers differ by."""
MAX_DISAGREEMENT = 0.05
"""Distance of two folds on a landmark of VHS, same fraction, beyond which a person has to look."""

PHOTO_MAX_VHS_SD = 0.15
"""Standard deviation of the folds' VHS through a photo, half of what a photo may take from a measurement;
beyond it the photo shows too little, and another one is taken more easily than a film."""


class View(NamedTuple):
    """The picture that the network saw."""

    width: int
    """Columns, upright; of the rectified picture where it was a photo of a screen."""
    height: int
    aspect: float = 1.0
    """True width to height by `width` to `height`: what remains of perspective in a rectified picture."""
    pop_detected: bool = False
    """A photo of a screen."""
    perspective_failed: bool = False
    """The screen's corners were not found, or cannot be a screen's."""

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "View":
        """Read the `header` that travels with a picture; only width and height must be there."""
        return cls(**{name: header[name] for name in cls._fields if name in header})

    def square_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Stretch (..., 2) points in pixels so that lengths are the same in both directions."""
        return points * (self.aspect, 1.0)

    @property
    def long_side(self) -> float:
        """In square pixels."""
        return max(self.width * self.aspect, self.height)


class _Reading(NamedTuple):
    """What the folds that answered read off the picture together."""

    folds: int
    fractions: NDArray[np.float64]
    """(7, 2) of width and height."""
    points: NDArray[np.float64]
    """(7, 2) in square pixels."""
    is_found: NDArray[np.bool_]
    """(7,)."""
    spreads: NDArray[np.float64]
    """(7,) of the longer side."""
    disagreement: float
    """Of the longer side."""
    vhs_sd: float


def assess(folds: Folds, view: View) -> Assessment:
    """Assess one picture; the first that applies of: perspective, validity, folds, VHS, VLAS, confidence.

    Parameters
    ----------
    folds
        The network's output for it.
    view
        What the network saw.
    """
    blank = Assessment(ABNORMAL, view.width, view.height, pop_detected=view.pop_detected)
    if view.perspective_failed:
        return replace(blank, result_code=PERSPECTIVE_FAILED, pop_detected=True)
    probability = validity_probability(folds.validity)
    if probability is None:
        return blank
    judged = replace(blank, classifier_confidence=max(probability, 1 - probability))
    if probability < VALID_FROM:
        return replace(judged, result_code=REJECTED)
    answered = folds.answered()
    if len(answered.landmarks) < MIN_FOLDS:
        return judged
    return _measured(judged, _read(answered, view), view)


def _read(folds: Folds, view: View) -> _Reading:
    each = folds.points(view.width, view.height)
    agreed = consensus(each)
    fractions = agreed / (view.width, view.height)
    isotropic = view.square_pixels(each)
    return _Reading(
        folds=len(each),
        fractions=fractions,
        points=view.square_pixels(agreed),
        is_found=found(fractions, folds.mean_peaks()),
        spreads=spreads(isotropic / view.long_side),
        disagreement=widest_disagreement(isotropic / view.long_side),
        vhs_sd=float(
            np.std([measure(points).vhs for points in isotropic if vertebra_length(points) > 0] or 0)
        ),
    )


def _measured(judged: Assessment, reading: _Reading, view: View) -> Assessment:
    seen = replace(judged, prediction=_prediction(reading))
    if fault := spine_fault(reading.points, reading.is_found, view.long_side):
        return replace(seen, result_code=NOT_MEASURABLE, fault=fault)
    measured = measure(reading.points)
    if fault := heart_fault(reading.points, measured) or _photo_fault(reading, view):
        return replace(seen, result_code=NOT_MEASURABLE, fault=fault)
    fault = vlas_fault(
        reading.points,
        measured,
        is_found=bool(reading.is_found[VLAS]),
        spread=float(reading.spreads[VLAS]),
    )
    spread = float((reading.spreads[list(VHS_LANDMARKS)] if fault else reading.spreads).mean())
    tier = REVIEW if _needs_review(reading, measured) else tier_of(spread)
    return replace(
        seen,
        result_code=NO_VLAS if fault else TIER_CODES[tier],
        vhs=measured.vhs,
        vlas=None if fault else measured.vlas,
        model_confidence=tier,
        spread=spread,
        axes_perpendicular=measured.axes_angle >= PERPENDICULAR_FROM,
        vhs_sd=reading.vhs_sd,
        fault=fault,
    )


def _photo_fault(reading: _Reading, view: View) -> str | None:
    """Say why VHS cannot be told through a photo of a screen."""
    if not view.pop_detected or reading.vhs_sd <= PHOTO_MAX_VHS_SD:
        return None
    return f"the folds' VHS differs by {reading.vhs_sd:.2f}, at most {PHOTO_MAX_VHS_SD} through a photo"


def tier_of(spread: float) -> str:
    """Give the confidence that a spread stands for; a boundary belongs to the worse one."""
    if spread < OPTIMAL_BELOW:
        return OPTIMAL
    return GOOD if spread < GOOD_BELOW else REVIEW


def _needs_review(reading: _Reading, measured: Measurement) -> bool:
    return (
        measured.axes_angle < PERPENDICULAR_FROM
        or reading.folds < FOLDS
        or reading.disagreement > MAX_DISAGREEMENT
    )


def _prediction(reading: _Reading) -> tuple[Landmark, ...]:
    return tuple(
        Landmark(name, float(x), float(y))
        for name, (x, y), is_found in zip(LANDMARKS, reading.fractions, reading.is_found, strict=True)
        if is_found
    )
