"""Where the screen is in a picture: a look at all of it, then closer ones at what that took for the film."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import cv2
import numpy as np

from gateway.imaging.letterbox import placement
from gateway.imaging.screen.classical import classical_quad
from gateway.imaging.screen.quad import AREA_MAX, fault_of, ordered, signed_area
from gateway.imaging.screen.sides import fitted
from gateway.imaging.screen.view import view_of
from gateway.imaging.vhs.folds import MIN_FOLDS, consensus
from gateway.imaging.vhs.network_input import INPUT_SIZE_PX

PHOTO_FROM = 0.5
"""Probability from which a picture counts as a photo of a screen."""
COLOUR_FROM = 0.15
"""Share of a picture with a colour from which it counts as one in colour: what a viewer's coloured lines and
labels cover is less."""
PEAK_MIN = 0.35
"""Mean share of the heatmaps around their highest cell, below which the corner network does not know."""
VIEW_WEIGHT = 0.5
"""Of the closer looks' mean logit beside the folds'."""
LOOKS = 2
"""Closer looks: the second one is through what the first one found, and sees it from the middle."""
CERTAINTY_MIN = 0.1
"""Of the least certain side."""

NO_PHOTO = "not a photo of a screen"

Network = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]
"""Runs a graph; arrays by tensor name both ways, batch axis first."""


class Bar(NamedTuple):
    """What a picture must reach to count as a photo of a screen."""

    look_from: float
    """Mean probability of the folds; below it there is no closer look."""
    doubt: float
    """What the logits of folds and closer looks must exceed together."""


# What leaves an X-ray system is grey, and phones photograph in colour: a grey picture must look far more like
# a photo. A film that is taken for a photo is cut, a photo that is taken for a film is only measured worse.
IN_COLOUR, GREY = Bar(look_from=0.005, doubt=-1.0), Bar(look_from=0.02, doubt=4.0)


class Found(NamedTuple):
    """The corner network's output for one picture; K folds."""

    corners: np.ndarray
    """float32 (K, 4, 2), TL, TR, BR, BL in shares of the square."""
    peaks: np.ndarray
    """float32 (K, 4)."""
    screen: np.ndarray
    """float32 (K,), logits, above 0 for a photo of a screen."""

    def coarse(self, width: int, height: int) -> "Coarse | str":
        """Give what the folds say together of a picture's corners; with too few answers a fault."""
        answered = self.corners[np.isfinite(self.corners).all((1, 2))].astype(np.float64)
        if len(answered) < MIN_FOLDS:
            return f"{len(answered)} folds answered, expected at least {MIN_FOLDS}"
        each = placement(width, height, INPUT_SIZE_PX).to_picture(answered * INPUT_SIZE_PX)
        spread = float(np.sqrt((each / max(width, height)).var(0).mean(1)).mean())
        return Coarse(ordered(consensus(each)), spread, float(np.nanmean(self.peaks)))


class Coarse(NamedTuple):
    """Corners by the corner network."""

    corners: np.ndarray
    """float64 (4, 2), TL, TR, BR, BL in continuous pixels of the picture."""
    spread: float
    """Standard deviation of the folds, per axis, in long sides of the picture."""
    peak: float
    """Mean share of the heatmaps around their highest cell."""


class Screen(NamedTuple):
    """Where the screen lies in a picture, if it is a photo of one."""

    probability: float
    """Of a photo of a screen."""
    is_photo: bool
    """Probability and area say so; the picture itself is the radiograph where they do not."""
    corners: np.ndarray
    """float64 (4, 2), TL, TR, BR, BL in continuous pixels of the picture."""
    certainty: float
    """Of the least certain side, 0 to 1."""
    fault: str | None
    """Why the corners cannot be used; None where they can."""

    def to_json(self) -> dict[str, Any]:
        """Give the document that the pipeline answers with."""
        return {**self._asdict(), "corners": self.corners.tolist() if self.fault is None else None}


class Outline(NamedTuple):
    """A film as a closer look shows it."""

    corners: np.ndarray
    """float64 (4, 2), TL, TR, BR, BL in continuous pixels of the picture."""
    certainty: np.ndarray
    """float64 (4,), of the top, right, bottom and left side, 0 to 1."""
    screen: float
    """Logit of a photo of a screen."""


def look(picture: np.ndarray, corners: np.ndarray, sides: Network) -> Outline:
    """Look at what corners enclose and at what is around it, and tell the film's sides.

    Parameters
    ----------
    picture
        uint8 (rows, columns), upright.
    corners
        (4, 2), TL, TR, BR, BL in continuous pixels, convex.
    sides
        The network of `screen_sides`.
    """
    view = view_of(picture, corners)
    outputs = sides({"view": view.square[np.newaxis]})
    found = fitted(outputs["side_places"][0])
    moved = cv2.perspectiveTransform(found.corners[np.newaxis], view.to_picture)[0]
    return Outline(moved, found.certainty, float(outputs["view_screen"][0]))


def locate(picture: np.ndarray, colour: float, found: Found, sides: Network) -> Screen:
    """Find the screen in a picture.

    Parameters
    ----------
    picture
        uint8 (rows, columns), upright.
    colour
        `coloured_share` of the file.
    found
        The corner network's output for it.
    sides
        The network of `screen_sides`.
    """
    rows, columns = picture.shape
    probability = probability_of(found.screen)
    coarse = found.coarse(columns, rows)
    if isinstance(coarse, str):
        return Screen(probability, probability >= PHOTO_FROM, np.zeros((4, 2)), 0.0, coarse)
    start = _start(picture, coarse)
    bar = IN_COLOUR if colour >= COLOUR_FROM else GREY
    if probability < bar.look_from:
        return Screen(probability, False, start, 0.0, NO_PHOTO)
    logit = float(found.screen[np.isfinite(found.screen)].mean()) - bar.doubt
    if fault := fault_of(start, columns, rows):
        probability = _probability(logit)
        return Screen(probability, probability >= PHOTO_FROM, start, 0.0, fault)
    return _looked(picture, start, logit, sides)


def probability_of(logits: np.ndarray) -> float:
    """Give the mean probability of the folds that answered; 0 with too few."""
    finite = logits[np.isfinite(logits)].astype(np.float64)
    return float(np.mean([_probability(each) for each in finite])) if len(finite) >= MIN_FOLDS else 0.0


def _probability(logit: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(logit, -60, 60))))


def _start(picture: np.ndarray, coarse: Coarse) -> np.ndarray:
    """Give the corners to look through first; where the heatmaps are flat, those that edges enclose."""
    classical = classical_quad(picture) if coarse.peak < PEAK_MIN else None
    return coarse.corners if classical is None else classical


def _looked(picture: np.ndarray, start: np.ndarray, logit: float, sides: Network) -> Screen:
    """Look closer, each time through what was found before; `logit` is what speaks for a photo until then."""
    rows, columns = picture.shape
    outlines = [look(picture, start, sides)]
    while len(outlines) < LOOKS and fault_of(outlines[-1].corners, columns, rows) is None:
        outlines.append(look(picture, outlines[-1].corners, sides))
    outline = outlines[-1]
    fault = fault_of(outline.corners, columns, rows)
    certainty = float(outline.certainty.min())
    views = float(np.mean([each.screen for each in outlines]))
    probability = _probability(logit + VIEW_WEIGHT * views)
    if fault is None and certainty < CERTAINTY_MIN:
        fault = f"a side that is {certainty:.2f} certain, expected at least {CERTAINTY_MIN}"
    photo = probability >= PHOTO_FROM and signed_area(outline.corners) <= AREA_MAX * rows * columns
    return Screen(probability, photo, outline.corners, certainty, fault)
