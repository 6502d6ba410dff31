"""Lesions drawn on chest films without findings, for findings that no free film is labelled with.

A lesion absorbs: it is a map of added density d, and the film becomes 1 - (1 - film) exp(-d), so that
ribs and vessels still show through. What lies outside a lesion's mask stays as it was, bit by bit.
Sides are those of the image: the patient's left lung is on the right.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from tools.phantoms.lung_fields import Lungs, box_of, hull_of

Generator = np.random.Generator

VISIBLE = 0.01
"""Least density that counts as part of a lesion: under three grey levels of 255."""


class Composite(NamedTuple):
    """A film with a lesion drawn on it."""

    pixels: np.ndarray
    """uint8 (rows, columns)."""
    mask: np.ndarray
    """bool (rows, columns): where the film may have changed."""


def absorb(pixels: np.ndarray, density: np.ndarray) -> Composite:
    """Add density to a film; below VISIBLE, up or down, the film stays untouched."""
    mask = np.abs(density) >= VISIBLE
    film = pixels.astype(np.float32) / 255
    changed = np.clip(1 - (1 - film) * np.exp(-density), 0, 1)
    return Composite(np.where(mask, np.round(changed * 255), pixels).astype(np.uint8), mask)


def _blob(
    shape: tuple[int, ...], centre: np.ndarray, radii: np.ndarray, generator: Generator, wave: float = 0.04
) -> np.ndarray:
    """Give a soft-edged ellipse with a wavy outline; float32 of 0 to 1; centre and radii as (x, y)."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    dx, dy = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    angle = np.arctan2(dy, dx)
    amplitudes, phases = generator.normal(0, wave, 4), generator.uniform(0, 6.3, 4)
    waves = sum(amplitudes[k] * np.cos((k + 2) * angle + phases[k]) for k in range(4))
    distance = np.hypot(dx, dy) / (1 + waves)
    softness = max(1.2 / float(radii.mean()), 0.08)
    return np.asarray(1 / (1 + np.exp(np.clip((distance - 1) / softness, -30, 30))), np.float32)


def _clouds(shape: tuple[int, ...], generator: Generator, sigma: float) -> np.ndarray:
    """Give smooth noise, float32 of mean 0 and deviation 1."""
    noise = cv2.GaussianBlur(generator.standard_normal(shape).astype(np.float32), (0, 0), sigma)
    return np.asarray((noise - noise.mean()) / noise.std())


def _one_of(lungs: Lungs, generator: Generator) -> np.ndarray:
    return lungs[int(generator.integers(2))]


def _place(field: np.ndarray, generator: Generator, zone: tuple[float, float], margin: int) -> np.ndarray:
    """Choose a point (x, y) of a field between two shares of its height, off its rim where it can."""
    box = box_of(field)
    for candidates in (_eroded(field, margin), field):
        rows, columns = np.nonzero(candidates)
        wanted = (rows >= box.top + zone[0] * box.height) & (rows <= box.top + zone[1] * box.height)
        if wanted.any():
            index = generator.choice(np.flatnonzero(wanted))
            return np.array([columns[index], rows[index]], float)
    return np.array([(box.left + box.right) / 2, box.top + np.mean(zone) * box.height])


def _eroded(field: np.ndarray, width: int) -> np.ndarray:
    """Take a rim of half of `width` pixels off a field; outside the image counts as outside the field."""
    padded = np.pad(field, 1).astype(np.uint8)
    return cv2.erode(padded, np.ones((width, width), np.uint8))[1:-1, 1:-1].astype(bool)


def _within(density: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Fade a density out across the rim of a field."""
    soft = cv2.GaussianBlur(field.astype(np.float32), (0, 0), field.shape[0] / 90)
    return np.asarray(density * soft)


def cavity(pixels: np.ndarray, lungs: Lungs, generator: Generator) -> np.ndarray:
    """Draw a cavity with a thick wall in an upper lobe, in a patch of shadow; density."""
    side = pixels.shape[0]
    field = _one_of(lungs, generator)
    centre = _place(field, generator, (0.12, 0.4), side // 14)
    radii = generator.uniform(0.035, 0.07, 2) * side
    wall = generator.uniform(0.25, 0.45)
    outer = _blob(pixels.shape, centre, radii, generator)
    inner = _blob(pixels.shape, centre, radii * (1 - wall), generator)
    ring = np.clip(outer - inner, 0, 1) * generator.uniform(0.3, 0.55) - 0.08 * inner
    return np.asarray(_within(ring, field) + patches(pixels, lungs, generator, field) * 0.6)


def patches(
    pixels: np.ndarray, lungs: Lungs, generator: Generator, field: np.ndarray | None = None
) -> np.ndarray:
    """Draw fibro-nodular shadows in an upper zone, with strands towards the hilum; density."""
    side = pixels.shape[0]
    field = _one_of(lungs, generator) if field is None else field
    density = np.zeros(pixels.shape, np.float32)
    hilum = _hilum(lungs, field)
    for _ in range(generator.integers(6, 18)):
        centre = _place(field, generator, (0.05, 0.42), side // 30)
        radii = generator.uniform(0.008, 0.04, 2) * side
        density += _blob(pixels.shape, centre, radii, generator) * generator.uniform(0.08, 0.25)
        if generator.random() < 0.4:
            density += _strand(pixels.shape, centre, hilum, generator) * generator.uniform(0.08, 0.2)
    return _within(density * np.clip(1 + 0.3 * _clouds(pixels.shape, generator, side / 80), 0.3, 2), field)


def _hilum(lungs: Lungs, field: np.ndarray) -> np.ndarray:
    """Give the point (x, y) where the vessels of a lung come together."""
    box = box_of(field)
    inner = box.right if field is lungs.left else box.left
    return np.array([inner, box.top + 0.5 * box.height], float)


def _strand(shape: tuple[int, ...], start: np.ndarray, end: np.ndarray, generator: Generator) -> np.ndarray:
    """Give a thin bent line part of the way from start to end; float32 of 0 to 1."""
    share = generator.uniform(0.3, 0.8)
    middle = (start + end) / 2 + generator.normal(0, 0.02 * shape[0], 2)
    t = np.linspace(0, share, 12)[:, None]
    path = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    corners = [path.round().astype(np.int32)]
    line = cv2.polylines(np.zeros(shape, np.float32), corners, False, (1.0,), 1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(line, (0, 0), 0.8))


def miliary(pixels: np.ndarray, lungs: Lungs, generator: Generator) -> np.ndarray:
    """Draw hundreds of tiny nodules all over both lungs; density."""
    side = pixels.shape[0]
    dots = np.zeros(pixels.shape, np.float32)
    rows, columns = np.nonzero(lungs.both)
    chosen = generator.choice(len(rows), int(generator.integers(250, 600)), replace=False)
    dots[rows[chosen], columns[chosen]] = generator.uniform(0.4, 1.0, len(chosen))
    spread = generator.uniform(0.8, 1.4) * side / 256
    grain = cv2.GaussianBlur(dots, (0, 0), spread) * 2 * np.pi * spread**2
    return _within(grain * generator.uniform(0.12, 0.28), lungs.both)


def tuberculosis(pixels: np.ndarray, lungs: Lungs, generator: Generator) -> Composite:
    """Draw one of the patterns of lung tuberculosis: cavity, upper-zone patches or miliary."""
    kinds = (cavity, cavity, patches, patches, miliary)
    kind = kinds[generator.integers(len(kinds))]
    return absorb(pixels, kind(pixels, lungs, generator))


def aortic_enlargement(pixels: np.ndarray, lungs: Lungs, generator: Generator) -> Composite:
    """Let the aortic knob bulge into the patient's left lung, by warping the film around it."""
    side = pixels.shape[0]
    box = box_of(lungs.right)
    y = box.top + generator.uniform(0.26, 0.36) * box.height
    edge = np.flatnonzero(lungs.right[int(y)])
    x = float(edge[0] if len(edge) else box.left)
    radius = generator.uniform(0.11, 0.16) * side
    push = np.array([generator.uniform(0.3, 0.5) * radius, 0.0])
    reach = np.array([radius, radius * generator.uniform(0.9, 1.6)])
    bulged, mask = _push(pixels, np.array([x, y]), reach, push)
    knob = _blob(pixels.shape, np.array([x - 0.1 * radius, y]), reach * 0.42, generator)
    return _joined(bulged, mask, absorb(bulged, knob * generator.uniform(0.12, 0.3)))


def cardiomegaly(pixels: np.ndarray, lungs: Lungs, generator: Generator) -> Composite:
    """Widen the heart on both sides, mostly to the patient's left, by warping the film around it."""
    side = pixels.shape[0]
    left, right = box_of(lungs.left), box_of(lungs.right)
    y = max(left.bottom, right.bottom) - generator.uniform(0.28, 0.36) * right.height
    row = int(y)
    inner_left = np.flatnonzero(lungs.left[row])
    inner_right = np.flatnonzero(lungs.right[row])
    x_left = float(inner_left[-1] if len(inner_left) else left.right)
    x_right = float(inner_right[0] if len(inner_right) else right.left)
    reach = np.array([0.2, 0.26]) * side
    strength = generator.uniform(0.25, 0.42) * reach[0]
    once, mask = _push(pixels, np.array([x_right, y]), reach, np.array([strength, 0.0]))
    # The second reach ends before the spine, so that only the right heart border moves.
    twice, second = _push(once, np.array([x_left, y]), reach * 0.6, np.array([-strength * 0.35, 0.0]))
    return Composite(twice, mask | second)


def _push(
    pixels: np.ndarray, centre: np.ndarray, reach: np.ndarray, push: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Move the film under an ellipse, most at its centre and not at all at its rim."""
    y, x = np.mgrid[0 : pixels.shape[0], 0 : pixels.shape[1]].astype(np.float32)
    distance = np.hypot((x - centre[0]) / reach[0], (y - centre[1]) / reach[1])
    weight = np.where(distance < 1, (1 - distance**2) ** 2, 0).astype(np.float32)
    moved = cv2.remap(
        pixels,
        (x - weight * push[0]).astype(np.float32),
        (y - weight * push[1]).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    mask = distance < 1
    return np.where(mask, moved, pixels), mask


def _joined(base: np.ndarray, mask: np.ndarray, composite: Composite) -> Composite:
    """Put a lesion drawn on an already changed film into one composite."""
    return Composite(np.where(composite.mask, composite.pixels, base), composite.mask | mask)


def calcification(pixels: np.ndarray, lungs: Lungs, generator: Generator) -> Composite:
    """Draw small sharp dense specks, alone or in a group, or a dense streak of calcified pleura."""
    side = pixels.shape[0]
    field = _one_of(lungs, generator)
    density = np.zeros(pixels.shape, np.float32)
    centre = _place(field, generator, (0.1, 0.9), side // 20)
    for _ in range(generator.integers(2, 10)):
        spot = centre + generator.normal(0, generator.uniform(0.01, 0.06) * side, 2)
        radii = generator.uniform(0.005, 0.015, 2) * side
        density += _blob(pixels.shape, spot, radii, generator) * generator.uniform(0.3, 0.9)
    if generator.random() < 0.3:
        offset = generator.normal(0, 0.08 * side, 2)
        density += 0.8 * _strand(pixels.shape, centre, centre + offset, generator)
    return absorb(pixels, _within(density, lungs.both))


def nodule(pixels: np.ndarray, lungs: Lungs, generator: Generator) -> Composite:
    """Draw one to four round soft shadows."""
    side = pixels.shape[0]
    density = np.zeros(pixels.shape, np.float32)
    for _ in range(generator.integers(1, 5)):
        centre = _place(_one_of(lungs, generator), generator, (0.1, 0.95), side // 20)
        radius = generator.uniform(0.018, 0.07) * side
        radii = radius * generator.uniform(0.85, 1.15, 2)
        density += _blob(pixels.shape, centre, radii, generator) * generator.uniform(0.15, 0.4)
    return absorb(pixels, _within(density, cv2.dilate(lungs.both.astype(np.uint8), np.ones((9, 9))) > 0))


def consolidation(pixels: np.ndarray, lungs: Lungs, generator: Generator) -> Composite:
    """Draw a cloudy shadow over a good part of the lower two thirds of a lung."""
    side = pixels.shape[0]
    field = _one_of(lungs, generator)
    centre = _place(field, generator, (0.45, 0.9), side // 16)
    area = _blob(pixels.shape, centre, generator.uniform(0.08, 0.18, 2) * side, generator, 0.1)
    area = cv2.GaussianBlur(area, (0, 0), side / 40)
    grain = np.clip(1 + 0.22 * _clouds(pixels.shape, generator, side / 50), 0.2, 2)
    return absorb(pixels, _within(area * grain * generator.uniform(0.25, 0.6), field))


def pleural_effusion(pixels: np.ndarray, lungs: Lungs, generator: Generator) -> Composite:
    """Fill the base of one or both lungs up to a meniscus that climbs the chest wall."""
    density = np.zeros(pixels.shape, np.float32)
    film = pixels.astype(np.float32) / 255
    chosen = [lungs.left, lungs.right] if generator.random() < 0.35 else [_one_of(lungs, generator)]
    y, x = np.mgrid[0 : pixels.shape[0], 0 : pixels.shape[1]].astype(np.float32)
    for field in chosen:
        box = box_of(field)
        outwards = (box.right - x) if field is lungs.left else (x - box.left)
        share = np.clip(outwards / (box.right - box.left), 0, 1)
        climb = generator.uniform(0.12, 0.4) + generator.uniform(0.1, 0.25) * share**3
        level = box.bottom - box.height * climb
        fluid = 1 / (1 + np.exp(np.clip((level - y) / (pixels.shape[0] / 100), -30, 30)))
        # Fluid is about as bright as what lies below the diaphragm, whatever the exposure.
        below = film[box.bottom : box.bottom + pixels.shape[0] // 12, box.left : box.right]
        target = min(float(np.percentile(below, 60)) if below.size else 0.8, 0.95)
        lacking = np.clip(np.log((1.001 - film) / (1.001 - target)), 0.05, None)
        # The field ends a little above the diaphragm; the fluid must not leave a seam there.
        wide = cv2.dilate(field.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        density += _within(fluid * lacking * generator.uniform(0.75, 0.95), wide)
    return absorb(pixels, density)


def pneumothorax(pixels: np.ndarray, lungs: Lungs, generator: Generator) -> Composite:
    """Draw air around the top and side of a shrunken lung: dark, without vessels, behind a thin line."""
    side = pixels.shape[0]
    chosen = _one_of(lungs, generator)
    field = hull_of(chosen)
    box = box_of(field)
    depth = generator.uniform(0.08, 0.3)
    inwards = depth * (box.right - box.left) * (1 if chosen is lungs.left else -1)
    matrix = np.array([[1, 0, inwards], [0, 1, depth * 0.6 * box.height]], np.float32)
    shrunken = cv2.warpAffine(field.astype(np.float32), matrix, (side, side))
    air = np.clip(field - cv2.GaussianBlur(shrunken, (0, 0), 1), 0, 1)
    outline = np.abs(cv2.Sobel(shrunken, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(shrunken, cv2.CV_32F, 0, 1))
    line = (outline > 1) & _eroded(field, 5)
    smooth = cv2.GaussianBlur(pixels, (0, 0), side / 50)
    bare = np.where(air > 0.5, 0.5 * smooth + 0.5 * pixels, pixels).astype(np.uint8)
    composite = absorb(bare, -0.12 * air * generator.uniform(0.5, 1.3) + 0.12 * line)
    return _joined(bare, air > 0.5, composite)


def pleural_thickening(pixels: np.ndarray, lungs: Lungs, generator: Generator) -> Composite:
    """Draw a dense band along the outer or upper rim of a lung."""
    side = pixels.shape[0]
    field = _one_of(lungs, generator)
    box = box_of(field)
    width = max(int(generator.uniform(0.015, 0.05) * side), 2)
    band = field & ~_eroded(field, width)
    y, x = np.mgrid[0:side, 0:side]
    middle = (box.left + box.right) / 2
    outer = x < middle if field is lungs.left else x > middle
    start = box.top + generator.uniform(-0.1, 0.5) * box.height
    part = band & outer & (y > start) & (y < start + generator.uniform(0.3, 0.7) * box.height)
    soft = cv2.GaussianBlur(part.astype(np.float32), (0, 0), side / 100)
    return absorb(pixels, soft * generator.uniform(0.3, 0.7))


LESIONS: dict[str, Callable[[np.ndarray, Lungs, Generator], Composite]] = {
    "Tuberculosis": tuberculosis,
    "Cardiomegaly": cardiomegaly,
    "Aortic Enlargement": aortic_enlargement,
    "Pleural Thickening": pleural_thickening,
    "Pleural Effusion": pleural_effusion,
    "Pneumothorax": pneumothorax,
    "Consolidation": consolidation,
    "Nodule Mass": nodule,
    "Calcification": calcification,
}
"""The findings that can be drawn."""


def draw(finding: str, pixels: np.ndarray, lungs: Lungs, seed: int) -> Composite:
    """Draw a finding on a film.

    Parameters
    ----------
    finding
        One of LESIONS.
    pixels
        uint8 (rows, columns), square, bones bright.
    lungs
        The film's lung fields.
    seed
        The same seed draws the same lesion.

    Returns
    -------
    The changed film, and the mask outside which nothing changed.
    """
    return LESIONS[finding](pixels, lungs, np.random.default_rng(seed))
