"""Photos rendered once, and the views of them that teach the sides' network, each time another one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from gateway.imaging.screen.locate import probability_of
from gateway.imaging.screen.quad import fault_of
from gateway.imaging.screen.sides import PLACES, SIDES
from gateway.imaging.screen.view import VIEW_PX, straightened, windowed
from gateway.triton.networks import Network
from tools.phantoms.screen_films import Film, direct_radiograph, films, varied
from tools.phantoms.screen_photo import screen_photo, screenless_photo
from tools.train.screen.augment import lit
from tools.train.screen.evaluate import corners_found, grey_of

Generator = np.random.Generator
Coarse = Callable[[np.ndarray], tuple[np.ndarray, float]]
"""What the corner network says of a grey picture: corners, (4, 2), and the probability of a photo."""

PHOTO_PX = 768
"""Longer side of a rendered photo: its film is larger than the view shows it."""
DIRECT_SHARE, SCREENLESS_SHARE = 0.24, 0.10
HARD_SHARE, HARD_OF = 0.5, 4
"""Share of the direct radiographs that are, of so many, the one most like a photo to the corner network."""
ABSENT = -1.0
"""Target of a place without a side."""


class Photos(NamedTuple):
    """Photos and what is true of them."""

    pictures: list[np.ndarray]
    """uint8 (rows, columns), grey."""
    corners: np.ndarray
    """float64 (N, 4, 2), TL, TR, BR, BL in continuous pixels; 0 where there is no screen."""
    coarse: np.ndarray
    """float64 (N, 4, 2): what the corner network found."""
    screen: np.ndarray
    """bool (N,)."""


class Views(NamedTuple):
    """A batch as the network takes it."""

    squares: np.ndarray
    """float32 (N, 1, VIEW_PX, VIEW_PX)."""
    sides: np.ndarray
    """float32 (N, SIDES, PLACES): pixels across at each place along; ABSENT where there is no side."""
    screen: np.ndarray
    """bool (N,)."""


def render_photos(seed: int, count: int, coarse: Coarse, bank: Sequence[Film] | None = None) -> Photos:
    """Render photos of screens, direct radiographs and other photos.

    Parameters
    ----------
    seed
        Of every scene; other seeds have no scene in common.
    count
        Number of pictures.
    coarse
        Called for each.
    bank
        Radiographs to show; drawn from the seed where None.
    """
    bank = films(seed, max(8, min(count // 25, 240)), long_side_px=640) if bank is None else bank
    rng = np.random.default_rng([seed, 6])
    photos = Photos([], np.zeros((count, 4, 2)), np.zeros((count, 4, 2)), np.zeros(count, bool))
    for index in range(count):
        kind = rng.random()
        if kind < DIRECT_SHARE:
            grey = _direct(rng, bank, coarse)
        elif kind < DIRECT_SHARE + SCREENLESS_SHARE:
            grey = grey_of(screenless_photo(rng, long_side_px=PHOTO_PX))
        else:
            photo = screen_photo(rng, varied(rng, bank), long_side_px=PHOTO_PX)
            grey = grey_of(photo.picture)
            photos.corners[index], photos.screen[index] = photo.corners, True
        photos.pictures.append(grey)
        photos.coarse[index] = coarse(grey)[0]
    return photos


def _direct(rng: Generator, bank: Sequence[Film], coarse: Coarse) -> np.ndarray:
    count = HARD_OF if rng.random() < HARD_SHARE else 1
    drawn = [direct_radiograph(rng, bank) for _ in range(count)]
    return drawn[0] if count == 1 else max(drawn, key=lambda film: coarse(film)[1])


def coarse_of(graph: Path) -> Coarse:
    """Give what finds corners by an exported corner network."""
    network = Network(graph, threads=1)

    def coarse(grey: np.ndarray) -> tuple[np.ndarray, float]:
        found = corners_found(network, grey)
        together = found.coarse(grey.shape[1], grey.shape[0])
        corners = np.zeros((4, 2)) if isinstance(together, str) else together.corners
        return corners, probability_of(found.screen)

    return coarse


def batch(rng: Generator, photos: Photos, indices: np.ndarray) -> Views:
    """Take photos and look at each through another rough quadrilateral."""
    squares, sides = zip(*(_example(rng, photos, int(index)) for index in indices), strict=True)
    return Views(np.stack(squares), np.stack(sides).astype(np.float32), photos.screen[indices])


def _example(rng: Generator, photos: Photos, index: int) -> tuple[np.ndarray, np.ndarray]:
    picture, corners = photos.pictures[index], photos.corners[index]
    through = _through(rng, photos, index)
    order = _order(rng)
    pixels, inside, to_picture = straightened(picture, through[order])
    square = windowed(lit(rng, pixels), inside)
    if not photos.screen[index]:
        return square, np.full((SIDES, PLACES), ABSENT)
    seen = cv2.perspectiveTransform(corners[order][np.newaxis], np.linalg.inv(to_picture))[0]
    return square, places_of(seen)


def _through(rng: Generator, photos: Photos, index: int) -> np.ndarray:
    """Choose what to look through: the corners that were found, or some that are off at random."""
    found, (rows, columns) = photos.coarse[index], photos.pictures[index].shape
    usable = fault_of(found, columns, rows) is None
    if usable and rng.random() < 0.5:
        return np.asarray(found + rng.normal(0, 0.004, (4, 2)) * max(rows, columns))
    if photos.screen[index]:
        return jittered(rng, photos.corners[index])
    if usable and rng.random() < 0.5:
        return jittered(rng, found)
    left, top, right, bottom = np.array([0, 0, 1, 1]) + rng.uniform(0, 0.2, 4) * (1, 1, -1, -1)
    box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return np.asarray((box + rng.normal(0, 0.02, (4, 2))) * (columns, rows))


def jittered(rng: Generator, corners: np.ndarray) -> np.ndarray:
    """Move each side, and each corner a little, in the plane of the film; float64 (4, 2)."""
    far = rng.random(4) < 0.4
    shifts = np.where(far, rng.uniform(-0.15, 0.15, 4), rng.normal(0, 0.012, 4))
    left, top, right, bottom = np.array([0, 0, 1, 1]) + shifts
    moved = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    moved += rng.normal(0, rng.choice([0.003, 0.015, 0.06], p=[0.45, 0.4, 0.15]), (4, 2))
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    plane = cv2.getPerspectiveTransform(unit, corners.astype(np.float32))
    return np.asarray(cv2.perspectiveTransform(moved[np.newaxis], plane)[0])


def _order(rng: Generator) -> np.ndarray:
    """Choose which corner comes first and which way round: a view turned or mirrored."""
    order = np.roll(np.arange(4), rng.choice([0, 1, 2, 3], p=[0.76, 0.08, 0.08, 0.08]))
    return order[[1, 0, 3, 2]] if rng.random() < 0.5 else order


def places_of(corners: np.ndarray) -> np.ndarray:
    """Give each side's pixels across at each place along; ABSENT beyond its ends, and beyond the view.

    Parameters
    ----------
    corners
        (4, 2), TL, TR, BR, BL in continuous pixels of the view.

    Returns
    -------
    float64 (SIDES, PLACES).
    """
    along = (np.arange(PLACES) + 0.5) * VIEW_PX / PLACES
    sides = np.full((SIDES, PLACES), ABSENT)
    for side in range(SIDES):
        axis = side % 2
        ends = corners[[side, (side + 1) % SIDES]]
        ends = ends[np.argsort(ends[:, axis])]
        across = np.interp(along, ends[:, axis], ends[:, 1 - axis])
        within = (along > ends[0, axis]) & (along < ends[1, axis])
        seen = within & (across >= 0) & (across < VIEW_PX)
        sides[side, seen] = across[seen]
    return sides
