"""Images for the chest gate: chest films, thumbnails of other kinds, spoilt chest films, drawings.

Chest films come as full films and as thumbnails, other images mostly as thumbnails. Everything here
passes through the same random changes at 96 pixels and ends at 64, so that sharpness, borders, exposure
and compression say nothing about the class.
"""

from typing import NamedTuple

import cv2
import numpy as np

from tools.phantoms.radiographs import other_image
from tools.train.chest_xray import augment
from tools.train.chest_xray.layout import GATE_SIZE

Generator = np.random.Generator
WORK_SIZE = 96


class GateSources(NamedTuple):
    """What the gate may learn from."""

    films: np.ndarray
    """uint8 (N, 256, 256), chest films."""
    thumbnails: np.ndarray
    """uint8 (N, 64, 64), chest thumbnails."""
    others: tuple[np.ndarray, ...]
    """uint8 (N, 64, 64) each, thumbnails of the other classes."""


def chest_image(sources: GateSources, generator: Generator) -> np.ndarray:
    """Take a chest film or thumbnail, each as often as the other, at 96 pixels; float32 in [0, 1]."""
    bank = sources.films if generator.random() < 0.5 else sources.thumbnails
    pixels = bank[generator.integers(len(bank))]
    pixels = pixels[:, ::-1] if generator.random() < 0.5 else pixels
    moved = augment.shift_and_turn(np.ascontiguousarray(pixels), generator, side=WORK_SIZE)
    return moved.astype(np.float32) / 255


def spoilt_chest(sources: GateSources, generator: Generator) -> np.ndarray:
    """Take a chest film and undo what makes it a usable one; float32 (96, 96) in [0, 1].

    Turned by a quarter or half, upside down, inverted, a small part enlarged, quarters shuffled, one
    half mirrored over the other, or bent beyond anatomy.
    """
    image = chest_image(sources, generator)
    kind = generator.integers(0, 8)
    if kind <= 1:
        return np.ascontiguousarray(np.rot90(image, generator.choice([1, 3])))
    if kind == 2:
        return np.ascontiguousarray(image[::-1])
    if kind <= 4:
        return np.asarray(1 - image)
    if kind == 5:
        return _enlarged_part(image, generator)
    if kind == 6:
        return _shuffled(image, generator)
    return augment.ripple(image, generator, 0.15)


def _enlarged_part(image: np.ndarray, generator: Generator) -> np.ndarray:
    side = int(WORK_SIZE * generator.uniform(0.2, 0.45))
    top, left = generator.integers(0, WORK_SIZE - side, 2)
    return np.asarray(cv2.resize(image[top : top + side, left : left + side], (WORK_SIZE, WORK_SIZE)))


def _shuffled(image: np.ndarray, generator: Generator) -> np.ndarray:
    """Deal the 2×2 or 3×3 tiles of an image anew, never in their old order."""
    count = int(generator.integers(2, 4))
    tile = WORK_SIZE // count
    corners = [(row * tile, column * tile) for row in range(count) for column in range(count)]
    order = np.roll(generator.permutation(len(corners)), 1)
    if (order == np.arange(len(corners))).all():
        order = np.roll(order, 1)
    result = image.copy()
    for (top, left), source in zip(corners, order, strict=True):
        y, x = corners[source]
        result[top : top + tile, left : left + tile] = image[y : y + tile, x : x + tile]
    return result


def other(sources: GateSources, generator: Generator) -> np.ndarray:
    """Take a thumbnail of another class or a drawing, turned any way; float32 (96, 96) in [0, 1]."""
    drawn = generator.random() < 0.55
    bank = sources.others[generator.integers(len(sources.others))]
    pixels = other_image(generator) if drawn else bank[generator.integers(len(bank))]
    if generator.random() < 0.3:
        pixels = np.rot90(pixels, generator.integers(1, 4))
    pixels = np.ascontiguousarray(pixels[:, ::-1] if generator.random() < 0.5 else pixels)
    moved = augment.shift_and_turn(pixels, generator, side=WORK_SIZE, degrees=20, zoom=(0.8, 1.8), shift=0.12)
    image = _stretched(moved.astype(np.float32) / 255, generator)
    image = 1 - image if not drawn and generator.random() < 0.15 else image
    return augment.ripple(image, generator, 0.03) if generator.random() < 0.5 else image


def _stretched(image: np.ndarray, generator: Generator) -> np.ndarray:
    """Window thumbnails now and then so that a grey background turns black, as a viewer shows them."""
    if generator.random() < 0.5:
        return image
    low, high = np.percentile(image, [generator.uniform(0, 60), generator.uniform(95, 100)])
    return np.asarray(np.clip((image - low) / max(high - low, 0.05), 0, 1))


def finished(image: np.ndarray, generator: Generator) -> np.ndarray:
    """Pass an image through what both classes share and reduce it; uint8 (64, 64)."""
    image = augment.expose(image, generator)
    image = augment.frame(image, generator)
    image = augment.mark(image, generator) if generator.random() < 0.3 else image
    image = augment.soften(image, generator, 1.8)
    image = augment.recompress(image, generator) if generator.random() < 0.3 else image
    small = cv2.resize(image, (GATE_SIZE, GATE_SIZE), interpolation=cv2.INTER_AREA)
    return (small * 255).round().astype(np.uint8)


def gate_batch(sources: GateSources, generator: Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Make a set of images, 40 % chest films, 20 % spoilt ones and 40 % others.

    Parameters
    ----------
    sources
        Films and thumbnails to draw from.
    generator
        Source of every choice.
    count
        Number of images.

    Returns
    -------
    uint8 (count, 64, 64), and float32 (count,) that is 1 for chest films.
    """
    kinds = generator.choice(3, count, p=[0.4, 0.2, 0.4])
    makers = (chest_image, spoilt_chest, other)
    images = [finished(makers[kind](sources, generator), generator) for kind in kinds]
    return np.stack(images), (kinds == 0).astype(np.float32)
