"""Batches of films with drawn lesions, to learn from and to judge the heads without real labels."""

from typing import NamedTuple

import cv2
import numpy as np

from gateway.imaging.chest_xray import FINDINGS
from tools.phantoms.chest_lesions import LESIONS, draw
from tools.phantoms.lung_fields import Lungs, lung_fields
from tools.train.chest_xray import augment
from tools.train.chest_xray.layout import MAP_SIDE, SIZE

Generator = np.random.Generator

DRAWN = tuple(FINDINGS.index(name) for name in LESIONS)
UNLABELLED = tuple(FINDINGS.index(name) for name in ("Tuberculosis", "Aortic Enlargement", "Calcification"))
"""Findings that nothing but composites teaches: drawn twice as often as the others."""
_WEIGHTS = np.array([2.0 if index in UNLABELLED else 1.0 for index in DRAWN])
_SHADOWS = {
    FINDINGS.index("Tuberculosis"): [FINDINGS.index(name) for name in ("Consolidation", "Nodule Mass")],
    FINDINGS.index("Consolidation"): [FINDINGS.index("Tuberculosis")],
}
"""Findings that a drawn one may well be taken for: no verdict on these."""


class Background(NamedTuple):
    """A film to draw on."""

    pixels: np.ndarray
    """uint8 (256, 256)."""
    lungs: Lungs


class CompositeBatch(NamedTuple):
    """Films with at most one drawn lesion each."""

    images: np.ndarray
    """float32 (N, 256, 256) in [0, 1]."""
    targets: np.ndarray
    """float32 (N, 12): 1 for the drawn finding."""
    weights: np.ndarray
    """float32 (N, 12): how much a target counts."""
    regions: np.ndarray
    """float32 (N, 16, 16): share of each map cell that the lesion covers."""


def backgrounds(films: np.ndarray) -> list[Background]:
    """Find the lungs of films, uint8 (N, 256, 256), and leave out those where they are not found."""
    found = ((film, lung_fields(film)) for film in films)
    return [Background(film, lungs) for film, lungs in found if lungs is not None]


def enlarged(thumbnails: np.ndarray) -> np.ndarray:
    """Bring thumbnails, uint8 (N, 64, 64), to the network's size."""
    return np.stack([cv2.resize(t, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) for t in thumbnails])


def changed(
    pixels: np.ndarray, generator: Generator, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Change geometry, exposure and sharpness of a film at random, and its mask alike.

    Parameters
    ----------
    pixels
        uint8 (256, 256).
    generator
        Source of every choice.
    mask
        bool (256, 256), or None for an empty one.

    Returns
    -------
    Film float32 (256, 256) in [0, 1], and mask float32 (16, 16).
    """
    mask = np.zeros(pixels.shape, bool) if mask is None else mask
    if generator.random() < 0.3:
        pixels, mask = np.ascontiguousarray(pixels[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
    seed = int(generator.integers(2**31))
    moved, region = (
        augment.shift_and_turn(image, np.random.default_rng(seed), side=SIZE)
        for image in (pixels, mask.astype(np.float32))
    )
    film = augment.expose(moved.astype(np.float32) / 255, generator)
    film = augment.frame(film, generator) if generator.random() < 0.15 else film
    cells = cv2.resize(region, (MAP_SIDE, MAP_SIDE), interpolation=cv2.INTER_AREA)
    return augment.soften(film, generator, 1.2), np.asarray(cells)


def composite_batch(bank: list[Background], generator: Generator, count: int) -> CompositeBatch:
    """Draw a lesion on each of `count` films, on one in four none."""
    targets = np.zeros((count, len(FINDINGS)), np.float32)
    weights = np.zeros_like(targets)
    weights[:, DRAWN] = 0.5
    images, regions = [], []
    for index in range(count):
        film = bank[generator.integers(len(bank))]
        pixels, mask = film.pixels, None
        if generator.random() < 0.75:
            finding = int(generator.choice(DRAWN, p=_WEIGHTS / _WEIGHTS.sum()))
            pixels, mask = draw(FINDINGS[finding], film.pixels, film.lungs, int(generator.integers(2**31)))
            weights[index, _SHADOWS.get(finding, [])] = 0
            targets[index, finding] = weights[index, finding] = 1
        image, region = changed(pixels, generator, mask)
        images.append(image)
        regions.append(region)
    return CompositeBatch(np.stack(images), targets, weights, np.stack(regions))
