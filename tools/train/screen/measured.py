"""What a photo of the screen does to the measurement: VHS through the photo against that of the film."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gateway.imaging.screen.steps import straighten
from gateway.imaging.vhs.assessment import View, assess
from gateway.imaging.vhs.folds import Folds
from gateway.imaging.vhs.network_input import network_input
from gateway.imaging.vhs.result import PERSPECTIVE_FAILED, REVIEW, Assessment
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

    def assess(self, picture: np.ndarray, true_corners: np.ndarray | None = None) -> Assessment:
        """Assess a picture, grey or BGR; given the true corners of a photo, through those."""
        grey = grey_of(picture)
        if true_corners is None:
            located = self._screens.screen(picture).to_json()
        else:
            located = {"is_photo": True, "corners": true_corners.tolist(), "certainty": 1.0}
        film = straighten(
            picture=grey,
            letterbox=network_input(grey),
            header={"width": grey.shape[1], "height": grey.shape[0], "focal_35mm_mm": None},
            located=located,
        )
        outputs = self._landmarks.run({"letterbox": film.letterbox[np.newaxis]})
        folds = Folds(*(outputs[name][0] for name in OUTPUTS))
        return assess(folds, View.from_header(film.header))


class Triple(NamedTuple):
    """A film that could be measured, and the same through a photo of a screen that shows it."""

    direct: float
    """VHS, as of all three."""
    photo: Assessment
    true_corners: Assessment
    """Through the photo, had its corners been found exactly: what else a photo does to a measurement."""


def triples(pipeline: Pipeline, seed: int, count: int) -> Iterator[Triple]:
    """Measure films and photos of them, unseen by any network, leaving out films that cannot be measured."""
    rng = np.random.default_rng([seed, 5])
    for _ in range(count):
        film = canine_thorax(rng, long_side_px=900)
        drawn = screen_photo(rng, film, long_side_px=PHOTO_PX, turn=False)
        direct = pipeline.assess(film.picture).vhs
        if direct is not None:
            photo = drawn.picture
            yield Triple(direct, pipeline.assess(photo), pipeline.assess(photo, drawn.corners))


def vhs_figures(pipeline: Pipeline, seed: int, count: int) -> dict[str, Any]:
    """Compare VHS of films and of photos of the screens that show them."""
    measured = list(triples(pipeline, seed, count))
    return {
        "films_measured": len(measured),
        "perspective_failed": sum(each.photo.result_code == PERSPECTIVE_FAILED for each in measured),
        "photos": _differences(measured, [each.photo for each in measured]),
        "photos_with_true_corners": _differences(measured, [each.true_corners for each in measured]),
    }


def _differences(measured: Sequence[Triple], photos: Sequence[Assessment]) -> dict[str, Any]:
    found = [
        (photo.vhs - each.direct, photo.model_confidence != REVIEW)
        for each, photo in zip(measured, photos, strict=True)
        if photo.vhs is not None
    ]
    apart, sure = np.array([each[0] for each in found]), np.array([each[1] for each in found], bool)
    if not sure.any():
        return {"measured": len(found)}
    return {
        "measured": len(found),
        "within_0.3": float((abs(apart) < 0.3).mean()),
        "not_for_review": int(sure.sum()),
        "within_0.3_of_those": float((abs(apart[sure]) < 0.3).mean()),
        "median_difference": float(np.median(abs(apart))),
        "bias": float(apart.mean()),
    }
