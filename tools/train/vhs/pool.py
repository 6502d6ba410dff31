"""Films drawn once, by several processes, and kept on disk: pictures, sizes and landmarks."""

import logging
import multiprocessing
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from tools.phantoms.canine_negatives import negative
from tools.phantoms.canine_thorax import UNSEEN_STYLE, CanineThorax, canine_thorax
from tools.phantoms.radiographs import other_image
from tools.train.vhs.layout import EDGES, OUTLINE, POINTS
from tools.train.vhs.photographed import photographed

logger = logging.getLogger(__name__)

POOL_SIDE = 640
"""Longer side of the drawn pictures in pixels."""

TRAINING, HELD_OUT, UNSEEN, NEGATIVE, HELD_OUT_NEGATIVE, PHOTOGRAPHED = range(6)
"""What a film is for; part of its generator's seed, so that no film is in two pools."""
NEGATIVES = (NEGATIVE, HELD_OUT_NEGATIVE)
DOGS_SHARE = 0.75
"""Of negatives drawn as other films of animals; the others are body parts of humans, textures, text."""


class Pool(NamedTuple):
    """Drawn films."""

    pixels: np.ndarray
    """uint8 (N, 640, 640): each picture in the upper left corner."""
    sizes: np.ndarray
    """int64 (N, 2): columns and rows."""
    landmarks: np.ndarray
    """float32 (N, 7, 2): pixels of the picture; NaN where it is no lateral canine thorax."""
    guides: np.ndarray
    """float32 (N, 39, 2): 14 edges of vertebrae, then 25 points of the heart's outline, likewise."""

    def picture(self, index: int) -> np.ndarray:
        """Give one film, uint8 (rows, columns)."""
        columns, rows = self.sizes[index]
        return np.asarray(self.pixels[index, :rows, :columns])

    def joined(self, other: "Pool") -> "Pool":
        """Give the films of both."""
        return Pool(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))

    def part(self, *, learnt: bool) -> "Pool":
        """Give the films that may be learnt from, or every fourth, which is kept apart."""
        chosen = (np.arange(len(self.sizes)) % 4 != 3) == learnt
        return Pool(*(each[chosen] for each in self))


class Lot(NamedTuple):
    """Consecutive films of one seed."""

    seed: int
    purpose: int
    first: int
    films: int


def pool(folder: Path, seed: int, purpose: int, count: int) -> Pool:
    """Give the films of a seed and purpose; they are drawn unless the folder holds them already.

    Parameters
    ----------
    folder
        Where `films_SEED_PURPOSE_COUNT.npy` and its neighbours lie.
    seed, purpose
        Of the films: TRAINING, HELD_OUT, UNSEEN, PHOTOGRAPHED or a kind of NEGATIVES.
    count
        Number of films.
    """
    stem = folder / f"films_{seed}_{purpose}_{count}"
    paths = [stem.with_suffix(f".{name}.npy") for name in Pool._fields]
    if not paths[-1].exists():
        folder.mkdir(parents=True, exist_ok=True)
        _draw_all(paths, seed, purpose, count)
    return Pool(*(np.load(path, mmap_mode="r") for path in paths))


def _draw_all(paths: list[Path], seed: int, purpose: int, count: int) -> None:
    pixels = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
        paths[0], "w+", np.uint8, (count, POOL_SIDE, POOL_SIDE)
    )
    sizes, landmarks = np.zeros((count, 2), np.int64), np.zeros((count, POINTS, 2), np.float32)
    guides = np.zeros((count, EDGES + OUTLINE, 2), np.float32)
    lots = [Lot(seed, purpose, first, min(20, count - first)) for first in range(0, count, 20)]
    started = time.monotonic()
    with multiprocessing.get_context("spawn").Pool() as workers:
        for lot, films in zip(lots, workers.imap(_draw_lot, lots), strict=True):
            rows = slice(lot.first, lot.first + lot.films)
            pixels[rows], sizes[rows], landmarks[rows], guides[rows] = films
            if lot.first % 1000 == 0:
                logger.info("films drawn: %d, %.0f s", lot.first + lot.films, time.monotonic() - started)
    pixels.flush()
    np.save(paths[1], sizes)
    np.save(paths[2], landmarks)
    np.save(paths[3], guides)


def _draw_lot(lot: Lot) -> Pool:
    cv2.setNumThreads(1)
    numbers: Iterable[int] = range(lot.first, lot.first + lot.films)
    films = [_draw(lot.purpose, np.random.default_rng([lot.seed, lot.purpose, number])) for number in numbers]
    pixels = np.zeros((lot.films, POOL_SIDE, POOL_SIDE), np.uint8)
    for target, (picture, _) in zip(pixels, films, strict=True):
        target[: picture.shape[0], : picture.shape[1]] = picture
    sizes = np.array([picture.shape[::-1] for picture, _ in films])
    points = np.stack([points for _, points in films])
    return Pool(pixels, sizes, points[:, :POINTS], points[:, POINTS:])


def _draw(purpose: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if purpose not in NEGATIVES:
        style = UNSEEN_STYLE if purpose == UNSEEN else None
        film = canine_thorax(generator, long_side_px=POOL_SIDE, style=style)
        if purpose == PHOTOGRAPHED:
            seen, points = photographed(film, points_of(film), generator)
            picture = fitted(seen)
            return picture, points * np.float32(max(picture.shape) / max(seen.shape))
        return film.picture, points_of(film)
    drawn = generator.random() < DOGS_SHARE
    picture = negative(generator, long_side_px=POOL_SIDE) if drawn else fitted(other_image(generator))
    return picture, np.full((POINTS + EDGES + OUTLINE, 2), np.nan, np.float32)


def points_of(film: CanineThorax) -> np.ndarray:
    """Give a film's landmarks and guides, float32 (46, 2)."""
    outline = film.heart[:: len(film.heart) // OUTLINE]
    return np.concatenate([film.landmarks, film.vertebrae, outline])


def fitted(picture: np.ndarray) -> np.ndarray:
    """Bring a picture, uint8 (rows, columns), to the size of drawn films."""
    scale = POOL_SIDE / max(picture.shape)
    size = [max(1, round(length * scale)) for length in picture.shape[::-1]]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=method))
