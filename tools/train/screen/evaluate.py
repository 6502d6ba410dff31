"""What the exported corner network and the steps after it make of scenes that nothing learnt from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from gateway.imaging.colour import coloured_share
from gateway.imaging.screen.aspect import aspect_factor
from gateway.imaging.screen.locate import Found, Screen, locate
from gateway.imaging.screen.quad import jaccard, shape_of
from gateway.imaging.screen.rectify import rectified_size
from gateway.imaging.vhs.network_input import network_input
from gateway.triton.networks import Network
from tools.phantoms.screen_films import Film, direct_radiograph, exported, films, varied
from tools.phantoms.screen_photo import ScreenPhoto, screen_photo, screenless_photo

PHOTO_PX = 1280
GREY_SHARE = 0.05
"""Of the photos: taken without colour."""
OUTPUTS = ["fold_corners", "fold_corner_peaks", "fold_screen"]


class Screens:
    """Both exported graphs with the steps after them, on one thread.

    Parameters
    ----------
    corners, sides
        The `.onnx` files of `screen_corners` and `screen_sides`.
    """

    def __init__(self, corners: Path, sides: Path) -> None:
        self._corners, self._sides = Network(corners, threads=1), Network(sides, threads=1)

    def found(self, grey: np.ndarray) -> Found:
        """Run the corner network on a grey picture."""
        return corners_found(self._corners, grey)

    def screen(self, picture: np.ndarray) -> Screen:
        """Find the screen in a grey picture or a BGR one, as the pipeline does."""
        grey, colour = grey_of(picture), 0.0 if picture.ndim == 2 else coloured_share(picture)
        return locate(grey, colour, self.found(grey), self._sides.run)


def corners_found(network: Network, grey: np.ndarray) -> Found:
    """Run a corner network on a grey picture."""
    outputs = network.run({"letterbox": network_input(grey)[np.newaxis]})
    return Found(*(outputs[name][0] for name in OUTPUTS))


class Judged(NamedTuple):
    """One photo of a screen and what was found."""

    photo: ScreenPhoto
    """Its picture is grey."""
    screen: Screen
    jaccard: float


def grey_of(picture: np.ndarray) -> np.ndarray:
    """Give a picture's luma; a grey one is it already."""
    return picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))


def judged_photos(screens: Screens, seed: int, count: int, bank: Sequence[Film]) -> list[Judged]:
    """Judge photos of screens of unseen scenes with unseen films."""
    rng, filters = np.random.default_rng([seed, 3]), np.random.default_rng([seed, 8])
    judged = []
    for _ in range(count):
        drawn = screen_photo(rng, varied(rng, bank), long_side_px=PHOTO_PX)
        photo = drawn._replace(picture=grey_of(drawn.picture))
        screen = screens.screen(photo.picture if filters.random() < GREY_SHARE else drawn.picture)
        judged.append(Judged(photo, screen, jaccard(screen.corners, photo.corners)))
    return judged


def figures(screens: Screens, seed: int, count: int) -> dict[str, Any]:
    """Judge `count` photos of screens, twice as many direct radiographs and a third of other photos."""
    bank = films(seed, max(8, min(count // 10, 120)))
    judged = judged_photos(screens, seed, count, bank)
    rng = np.random.default_rng([seed, 4])
    direct = [screens.screen(exported(rng, direct_radiograph(rng, bank))) for _ in range(2 * count)]
    others = [screens.screen(screenless_photo(rng, long_side_px=640)) for _ in range(max(count // 3, 1))]
    return {
        "photos": count,
        **_corner_figures(judged),
        "false_positives_on_direct_radiographs": float(np.mean([s.is_photo for s in direct])),
        "false_positives_on_other_photos": float(np.mean([s.is_photo for s in others])),
    }


def _corner_figures(judged: list[Judged]) -> dict[str, float]:
    index = np.array([each.jaccard for each in judged])
    usable = np.array([each.screen.is_photo and each.screen.fault is None for each in judged])
    aspects = np.array([aspect_errors(each) for each in judged])[usable]
    return {
        "jaccard_mean": float(index.mean()),
        "jaccard_5th_percentile": float(np.percentile(index, 5)),
        "jaccard_mean_of_usable": float(index[usable].mean()) if usable.any() else 0.0,
        "misses": float(np.mean([not each.screen.is_photo for each in judged])),
        "refused_by_the_gate": float(np.mean([each.screen.fault is not None for each in judged])),
        "aspect_error_mean_edges": float(abs(aspects[:, 0]).mean()) if usable.any() else 0.0,
        "aspect_error_known_focal": float(abs(aspects[:, 1]).mean()) if usable.any() else 0.0,
    }


def aspect_errors(judged: Judged) -> tuple[float, float]:
    """Give the relative error of the aspect by mean edges alone, and with the known-focal factor."""
    rows, columns = judged.photo.picture.shape
    if shape_of(judged.screen.corners, columns, rows).area <= 0:
        return np.nan, np.nan
    width, height = rectified_size(judged.screen.corners)
    ratio = width / height / judged.photo.aspect
    return ratio - 1, ratio * aspect_factor(judged.screen.corners, columns, rows, None) - 1
