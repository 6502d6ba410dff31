"""The gate of `vhs_landmarks`."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from gateway.imaging.vhs.assessment import VALID_FROM
from gateway.imaging.vhs.folds import validity_probability
from gateway.imaging.vhs.measurement import measure
from gateway.imaging.vhs.network_input import network_input
from tools.models.tasks import SEED, Tensors
from tools.models.tasks.points import together
from tools.phantoms.canine_thorax import canine_thorax
from tools.phantoms.radiographs import other_image


class Landmarks:
    """Seven landmarks of five folds: where they are, the VHS from them, and what is no thorax."""

    bars: ClassVar[Mapping[str, float]] = {
        "landmark mean px": 0.2,
        "landmark max px": 2.0,
        "VHS": 0.03,
        "decisions changed": 0,
    }

    def phantoms(self) -> Tensors:
        """Draw canine thoraces, and what is none."""
        rng = np.random.default_rng(SEED)
        pictures = [
            canine_thorax(np.random.default_rng(SEED + n), long_side_px=768).picture for n in range(6)
        ]
        pictures += [other_image(rng) for _ in range(2)]
        return {"letterbox": np.stack([network_input(picture) for picture in pictures])}

    def limits(self, precision: str, expected: Tensors) -> dict[str, float]:
        """Give the largest difference allowed in each output tensor; landmarks are shares of the square."""
        if precision == "fp32":
            return {"fold_landmarks": 2e-3, "fold_peaks": 0.01, "fold_validity": 0.01}
        # Of two cells equally high one fold may take the other, which the folds together even out.
        return {"fold_landmarks": 0.02, "fold_peaks": 0.2, "fold_validity": 0.15}

    def counted(self, expected: Tensors) -> dict[str, np.ndarray]:
        """Give the rows of a tensor that mean something: what is no thorax has no landmarks."""
        thorax = _valid(expected)
        return {"fold_landmarks": thorax, "fold_peaks": thorax}

    def metrics(self, expected: Tensors, got: Tensors) -> dict[str, float]:
        """Compare what the folds say together, in pixels of the square, and VHS and validity from it."""
        valid = _valid(expected)
        before, after = (together(each["fold_landmarks"][valid]) for each in (expected, got))
        distances = np.linalg.norm(before - after, axis=-1)
        scores = [np.array([measure(points).vhs for points in each]) for each in (before, after)]
        return {
            "landmark mean px": float(distances.mean()),
            "landmark max px": float(distances.max()),
            "VHS": float(np.abs(scores[0] - scores[1]).max()),
            "decisions changed": float((valid != _valid(got)).sum()),
        }


def _valid(outputs: Tensors) -> np.ndarray:
    return np.array([(validity_probability(each) or 0) >= VALID_FROM for each in outputs["fold_validity"]])
