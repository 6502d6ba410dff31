"""The gate of `screen_corners`."""

from collections.abc import Mapping
from typing import ClassVar

import cv2
import numpy as np

from gateway.imaging.screen.locate import PHOTO_FROM, probability_of
from gateway.imaging.vhs.network_input import network_input
from tools.models.tasks import SEED, Tensors
from tools.models.tasks.points import together
from tools.phantoms.screen_films import films, varied
from tools.phantoms.screen_photo import screen_photo, screenless_photo


class Corners:
    """Four corners of five folds: where they are, and what is a photo of a screen."""

    bars: ClassVar[Mapping[str, float]] = {
        "corner mean px": 0.1,
        "corner max px": 1.0,
        "decisions changed": 0,
    }

    def phantoms(self) -> Tensors:
        """Draw photos of screens, and photos of none."""
        rng = np.random.default_rng(SEED)
        bank = films(SEED, 3)
        photos = [screen_photo(rng, varied(rng, bank), long_side_px=768).picture for _ in range(6)]
        photos += [screenless_photo(rng, long_side_px=768) for _ in range(2)]
        grey = [np.asarray(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), np.uint8) for photo in photos]
        return {"letterbox": np.stack([network_input(picture) for picture in grey])}

    def limits(self, precision: str, expected: Tensors) -> dict[str, float]:
        """Give the largest difference allowed in each output tensor; corners are shares of the square."""
        if precision == "fp32":
            return {"fold_corners": 2e-3, "fold_corner_peaks": 0.01, "fold_screen": 0.01}
        return {"fold_corners": 0.02, "fold_corner_peaks": 0.2, "fold_screen": 0.15}

    def counted(self, expected: Tensors) -> dict[str, np.ndarray]:
        """Give the rows of a tensor that mean something: where no screen is, there are no corners."""
        photo = _photo(expected)
        return {"fold_corners": photo, "fold_corner_peaks": photo}

    def metrics(self, expected: Tensors, got: Tensors) -> dict[str, float]:
        """Compare what the folds say together, in pixels of the square, and what is taken for a photo."""
        photo = _photo(expected)
        before, after = (together(each["fold_corners"][photo]) for each in (expected, got))
        distances = np.linalg.norm(before - after, axis=-1)
        return {
            "corner mean px": float(distances.mean()),
            "corner max px": float(distances.max()),
            "decisions changed": float((photo != _photo(got)).sum()),
        }


def _photo(outputs: Tensors) -> np.ndarray:
    return np.array([probability_of(each) >= PHOTO_FROM for each in outputs["fold_screen"]])
