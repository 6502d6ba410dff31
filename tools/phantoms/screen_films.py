"""Radiographs to show on drawn screens, and the same as files of their own: what no photo is."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from tools.phantoms import radiographs
from tools.phantoms.canine_thorax import canine_thorax
from tools.phantoms.chest_film import chest_film
from tools.phantoms.screen_pose import rectangle
from tools.phantoms.screen_viewer import WORDS

Generator = np.random.Generator

BODY_PARTS = (
    radiographs.limb, radiographs.knee, radiographs.pelvis, radiographs.skull, radiographs.spine,
    radiographs.abdomen, radiographs.foot, radiographs.slice_of_ct,
)  # fmt: skip


class Film(NamedTuple):
    """A radiograph to show."""

    picture: np.ndarray
    """uint8 (rows, columns)."""
    exposed: np.ndarray
    """float64 (4, 2): what X-rays reached of it, without padding and the collimator's shadow, TL, TR, BR, BL
    in continuous pixels."""


def films(seed: int, count: int, *, long_side_px: int = 448) -> list[Film]:
    """Draw radiographs: dogs' chests mostly, people's and other body parts for variety.

    Parameters
    ----------
    seed
        The same seed gives the same films, another seed other animals.
    count
        How many.
    long_side_px
        Of each.
    """
    return [_film(np.random.default_rng([seed, index]), long_side_px) for index in range(count)]


def _film(rng: Generator, long_side_px: int) -> Film:
    kind = rng.random()
    if kind < 0.7:
        thorax = canine_thorax(rng, long_side_px=long_side_px)
        return Film(thorax.picture, thorax.exposed)
    if kind < 0.85:
        rows, columns = (int(long_side_px * side) for side in rng.uniform(0.75, 1, 2))
        film = chest_film(int(rng.integers(1 << 31)), rows=rows, columns=columns)
        return _whole((film >> 4).astype(np.uint8))
    part = BODY_PARTS[int(rng.integers(len(BODY_PARTS)))](rng)
    part = 255 * (part - part.min()) / max(float(np.ptp(part)), 1e-6)
    size = tuple(int(long_side_px * side) for side in rng.uniform(0.7, 1, 2))
    return _whole(cv2.resize(part.astype(np.uint8), size, interpolation=cv2.INTER_CUBIC))


def _whole(picture: np.ndarray) -> Film:
    rows, columns = picture.shape
    return Film(picture, rectangle(0, 0, columns, rows))


def varied(rng: Generator, bank: Sequence[Film]) -> Film:
    """Choose a film and crop, mirror, window or invert it."""
    film, exposed = bank[int(rng.integers(len(bank)))]
    rows, columns = film.shape
    top, bottom = (int(rows * share) for share in rng.uniform(0, 0.15, 2) * (rng.random(2) < 0.4))
    left, right = (int(columns * share) for share in rng.uniform(0, 0.15, 2) * (rng.random(2) < 0.4))
    film = film[top : rows - bottom, left : columns - right]
    exposed = (exposed - (left, top)).clip(0, film.shape[::-1])
    if rng.random() < 0.5:
        film = film[:, ::-1]
        exposed = ((film.shape[1], 0) + exposed * (-1, 1))[[1, 0, 3, 2]]
    if rng.random() < 0.08:
        film = 255 - film
    curve = 255 * (np.arange(256) / 255) ** (2 ** rng.normal(0, 0.5))
    return Film(np.asarray(cv2.LUT(np.ascontiguousarray(film), curve.astype(np.uint8))), exposed)


def direct_radiograph(rng: Generator, bank: Sequence[Film]) -> np.ndarray:
    """Give a radiograph as it leaves the X-ray system or a viewer's export, uint8 (rows, columns).

    With what may look like a screen's edge: collimators turned a little, borders of black or white, text.
    """
    film = varied(rng, bank).picture
    if rng.random() < 0.35:
        film = _collimated(rng, film)
    if rng.random() < 0.35:
        film = _bordered(rng, film)
    if rng.random() < 0.4:
        film = _labelled(rng, film)
    if rng.random() < 0.4:
        film = cv2.GaussianBlur(film, (0, 0), rng.uniform(0.3, 1.5))
    if rng.random() < 0.5:
        grain = rng.normal(0, rng.uniform(0.5, 8), film.shape)
        film = np.clip(film + grain, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))]
        film = cv2.imdecode(cv2.imencode(".jpg", film, quality)[1], cv2.IMREAD_GRAYSCALE)
    return np.asarray(film)


def exported(rng: Generator, film: np.ndarray) -> np.ndarray:
    """Give a direct radiograph as a file has it: grey mostly, some under coloured lines, some tinted.

    Returns
    -------
    uint8 (rows, columns), or (rows, columns, 3), BGR.
    """
    kind = rng.random()
    if kind < 0.75:
        return film
    colours = cv2.cvtColor(film, cv2.COLOR_GRAY2BGR)
    if kind < 0.93:
        return _measured(rng, colours)
    tint = 1 - rng.uniform(0, 0.25, 3) * rng.permutation([0, 0.5, 1])
    return np.asarray((colours * tint).astype(np.uint8))


def _measured(rng: Generator, colours: np.ndarray) -> np.ndarray:
    """Draw a viewer's lines and words over a film, in strong colours."""
    ink = tuple(int(level) for level in rng.permutation([0, rng.integers(0, 256), 255]))
    rows, columns = colours.shape[:2]
    for _ in range(int(rng.integers(1, 6))):
        ends = np.round(rng.uniform(0.1, 0.9, (2, 2)) * (columns, rows)).astype(int)
        cv2.line(colours, ends[0].tolist(), ends[1].tolist(), ink, int(rng.integers(1, 4)), cv2.LINE_AA)
        words = " ".join(rng.choice(WORDS, 2))
        cv2.putText(
            colours,
            words,
            ends[1].tolist(),
            cv2.FONT_HERSHEY_SIMPLEX,
            rng.uniform(0.3, 0.8),
            ink,
            1,
            cv2.LINE_AA,
        )
    return colours


def _collimated(rng: Generator, film: np.ndarray) -> np.ndarray:
    """Close the collimator: outside a rectangle, often turned a little, the film is nearly unexposed."""
    rows, columns = film.shape
    size = (columns * rng.uniform(0.6, 1.0), rows * rng.uniform(0.6, 1.0))
    middle = (columns * rng.uniform(0.45, 0.55), rows * rng.uniform(0.45, 0.55))
    corners = cv2.boxPoints((middle, size, float(rng.normal(0, 4))))
    mask = np.zeros(film.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(corners * 16).astype(np.int32)], (255,), cv2.LINE_AA, 4)
    share = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 2.5)).astype(np.float32) / 255
    outside = 0 if rng.random() < 0.6 else rng.uniform(0, 40) if rng.random() < 0.7 else 255
    return np.asarray((film * share + outside * (1 - share)).astype(np.uint8))


def _bordered(rng: Generator, film: np.ndarray) -> np.ndarray:
    """Pad the film, as exports to a fixed size do."""
    widths = (rng.uniform(0, 0.3, 4) * np.tile(rng.random(2) < 0.6, 2) * max(film.shape)).astype(int)
    colour = 0 if rng.random() < 0.75 else int(rng.choice([255, rng.integers(10, 255)]))
    top, left, bottom, right = (int(width) for width in widths)
    padded = cv2.copyMakeBorder(film, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(colour,))
    return np.asarray(padded)


def _labelled(rng: Generator, film: np.ndarray) -> np.ndarray:
    """Burn patient and exposure into the picture."""
    film, size = film.copy(), rng.uniform(0.3, 0.8)
    level = (int(rng.integers(120, 256)),)
    for _ in range(int(rng.integers(1, 7))):
        x, y = rng.uniform(0, 0.8) * film.shape[1], rng.choice([0.05, 0.09, 0.93, 0.98]) * film.shape[0]
        words = " ".join(rng.choice(WORDS, 2))
        cv2.putText(film, words, (int(x), int(y)), cv2.FONT_HERSHEY_SIMPLEX, size, level, 1, cv2.LINE_AA)
    return film
