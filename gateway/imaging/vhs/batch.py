"""Several pictures of one patient to one result."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from gateway.imaging.vhs.result import REVIEW, TIERS, Assessment

VHS_SD_LIMITS = (0.5, 1.0)
"""Beyond the first, confidence falls by a step, beyond the second by two; 0.5 is what humans differ by."""
VLAS_SD_LIMITS = (0.25, 0.5)


class BatchResult(NamedTuple):
    """The aggregates of the public contract; numbers are not rounded, in vertebrae."""

    best_photo_index: int | None
    """By confidence, then spread, then order; None where no picture has a VHS, like all numbers then."""
    best_vhs: float | None
    best_vlas: float | None
    """Of the best picture; where it has none, of the one with the lowest spread that has."""
    median_vhs: float | None
    median_vlas: float | None
    vhs_std: float | None
    """Sample standard deviation; None of fewer than two."""
    vlas_std: float | None
    vhs_confidence: str
    """One of TIERS: that of the picture the value is of, lowered where pictures disagree."""
    vlas_confidence: str
    n_photos_processed: int
    """Pictures that could be decoded, rejected ones included."""
    n_photos_with_landmarks: int


def summarize(photos: Sequence[Assessment | None]) -> BatchResult:
    """Sum up the pictures of one batch.

    Parameters
    ----------
    photos
        In the batch's order; None stands for one that could not be decoded.
    """
    measured = [photo for photo in photos if photo is not None and photo.landmarks_detected]
    with_vlas = [photo for photo in measured if photo.vlas is not None]
    best = min(measured, key=_rank, default=None)
    best_of_vlas = (
        best if best is not None and best.vlas is not None else min(with_vlas, key=_spread, default=None)
    )
    vhs = [photo.vhs for photo in measured if photo.vhs is not None]
    vlas = [photo.vlas for photo in with_vlas if photo.vlas is not None]
    return BatchResult(
        best_photo_index=None if best is None else next(i for i, photo in enumerate(photos) if photo is best),
        best_vhs=best.vhs if best else None,
        best_vlas=best_of_vlas.vlas if best_of_vlas else None,
        median_vhs=statistics.median(vhs) if vhs else None,
        median_vlas=statistics.median(vlas) if vlas else None,
        vhs_std=_sample_sd(vhs),
        vlas_std=_sample_sd(vlas),
        vhs_confidence=_confidence(best, _sample_sd(vhs), VHS_SD_LIMITS),
        vlas_confidence=_confidence(best_of_vlas, _sample_sd(vlas), VLAS_SD_LIMITS),
        n_photos_processed=sum(photo is not None for photo in photos),
        n_photos_with_landmarks=len(measured),
    )


def _rank(photo: Assessment) -> tuple[int, float]:
    return TIERS.index(photo.model_confidence), _spread(photo)


def _spread(photo: Assessment) -> float:
    return float("inf") if photo.spread is None else photo.spread


def _sample_sd(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _confidence(photo: Assessment | None, sd: float | None, limits: tuple[float, float]) -> str:
    if photo is None:
        return REVIEW
    steps = sum(sd is not None and sd > limit for limit in limits)
    return TIERS[min(TIERS.index(photo.model_confidence) + steps, len(TIERS) - 1)]
