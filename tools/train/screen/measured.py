"""What a photo of the screen does to the measurement: VHS through the photo against that of the film."""

from pathlib import Path
from typing import Any

import numpy as np

from gateway.imaging.screen.steps import straighten
from gateway.imaging.vhs.assessment import View, assess
from gateway.imaging.vhs.folds import Folds
from gateway.imaging.vhs.network_input import network_input
from gateway.imaging.vhs.result import PERSPECTIVE_FAILED, Assessment
from gateway.triton.networks import Network
from tools.phantoms.canine_thorax import canine_thorax
from tools.phantoms.screen_photo import screen_photo
from tools.train.screen.evaluate import PHOTO_PX, Screens, grey_of

OUTPUTS = ["fold_landmarks", "fold_peaks", "fold_validity"]


class Pipeline:
    """The networks with the steps between and after them, as the `vhs` ensemble has them.

    Parameters
    ----------
    screens
        Both networks that find screens.
    landmarks
        The `.onnx` file of `vhs_landmarks`.
    """

    def __init__(self, screens: Screens, landmarks: Path) -> None:
        self._screens = screens
        self._landmarks = Network(landmarks, threads=1)

    def assess(self, grey: np.ndarray) -> Assessment:
        """Assess a grey picture."""
        film = straighten(
            picture=grey,
            letterbox=network_input(grey),
            header={"width": grey.shape[1], "height": grey.shape[0], "focal_35mm_mm": None},
            located=self._screens.screen(grey).to_json(),
        )
        outputs = self._landmarks.run({"letterbox": film.letterbox[np.newaxis]})
        folds = Folds(*(outputs[name][0] for name in OUTPUTS))
        return assess(folds, View.from_header(film.header))


def vhs_figures(pipeline: Pipeline, seed: int, count: int) -> dict[str, Any]:
    """Compare VHS of films and of photos of the screens that show them, unseen by either network."""
    rng = np.random.default_rng([seed, 5])
    differences, pairs, failed = [], 0, 0
    for _ in range(count):
        film = canine_thorax(rng, long_side_px=900).picture
        direct = pipeline.assess(film).vhs
        photo = pipeline.assess(grey_of(screen_photo(rng, film, long_side_px=PHOTO_PX, turn=False).picture))
        if direct is None:
            continue
        pairs += 1
        failed += photo.result_code == PERSPECTIVE_FAILED
        if photo.vhs is not None:
            differences.append(photo.vhs - direct)
    apart = np.abs(differences)
    return {
        "films_measured": pairs,
        "photos_measured": len(differences),
        "perspective_failed": int(failed),
        "within_0.3_of_measured": float((apart < 0.3).mean()) if len(apart) else 0.0,
        "within_0.3_of_all": float((apart < 0.3).sum() / max(pairs, 1)),
        "median_difference": float(np.median(apart)) if len(apart) else None,
        "bias": float(np.mean(differences)) if len(apart) else None,
    }
