"""What the network's folds say together, and how far they are apart."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.imaging.letterbox import placement
from gateway.imaging.vhs.landmarks import VHS_LANDMARKS
from gateway.imaging.vhs.network_input import INPUT_SIZE_PX

FOLDS = 5
MIN_FOLDS = 3
"""With fewer answers there is none."""
_PLAUSIBLE_FRACTIONS = (-1.0, 2.0)  # of the square's side: no decoder gives a point farther away
_ROUNDING = 1e-3  # float32 sums of a softmax


class Folds(NamedTuple):
    """The network's output for one picture; K folds."""

    landmarks: NDArray[np.float32]
    """(K, 7, 2), x and y as fractions of the square's side."""
    peaks: NDArray[np.float32]
    """(K, 7), heatmap peaks, 0 to 1."""
    validity: NDArray[np.float32]
    """(K,), logits, above 0 for a lateral canine thorax."""

    def answered(self) -> "Folds":
        """Keep the folds whose landmarks and peaks are numbers that a heatmap can give."""
        lowest, highest = _PLAUSIBLE_FRACTIONS
        # Comparisons with NaN are false.
        points = ((self.landmarks >= lowest) & (self.landmarks <= highest)).all(axis=(1, 2))
        peaks = ((self.peaks >= -_ROUNDING) & (self.peaks <= 1 + _ROUNDING)).all(axis=1)
        return Folds(*(array[points & peaks] for array in self))

    def points(self, width: int, height: int) -> NDArray[np.float64]:
        """Give the landmarks in pixels of the picture, (K, 7, 2), float64."""
        square = self.landmarks.astype(np.float64) * INPUT_SIZE_PX
        return np.asarray(placement(width, height, INPUT_SIZE_PX).to_picture(square), np.float64)

    def mean_peaks(self) -> NDArray[np.float64]:
        """Give each landmark's mean peak, (7,), float64."""
        return np.asarray(self.peaks.astype(np.float64).mean(axis=0))


def validity_probability(logits: NDArray[np.float32]) -> float | None:
    """Give the mean of the folds' probabilities of a lateral canine thorax; None with too few answers."""
    finite = logits[np.isfinite(logits)].astype(np.float64)
    if len(finite) < MIN_FOLDS:
        return None
    return float(np.mean(1 / (1 + np.exp(-finite.clip(-60, 60)))))


def consensus(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean of the middle folds by coordinate: of five, the lowest and the highest are left out.

    Parameters
    ----------
    points
        (K, ...), K at least MIN_FOLDS.

    Returns
    -------
    float64, (...); one fold alone cannot move it beyond what the others say.
    """
    return np.asarray(np.sort(points, axis=0)[1:-1].mean(axis=0))


def spreads(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give each landmark's spread over the folds: the population standard deviation per axis, axes pooled.

    Parameters
    ----------
    points
        (K, 7, 2) as fractions of the picture's longer side.

    Returns
    -------
    float64, (7,), in the same fractions.
    """
    return np.asarray(np.sqrt(points.var(axis=0).mean(axis=1)))


def widest_disagreement(points: NDArray[np.float64]) -> float:
    """Give the largest distance between two folds' answers on one of the landmarks that VHS needs.

    Parameters
    ----------
    points
        (K, 7, 2) as fractions of the picture's longer side.
    """
    needed = points[:, list(VHS_LANDMARKS)]
    apart = needed[:, np.newaxis] - needed[np.newaxis]
    return float(np.hypot(apart[..., 0], apart[..., 1]).max())
