"""From attenuation to a finished grey picture: beam, scatter, collimation, noise, processing, labels."""

from typing import NamedTuple

import cv2
import numpy as np

from tools.phantoms.canine_canvas import blur, clouds, white
from tools.phantoms.canine_styles import Style, drawn

LEAD = 4.0
"""Attenuation of markers and of the collimator's blades."""


def lead_things(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Give the attenuation of side markers and of what lies on the table, float32 (rows, columns)."""
    rows, columns = shape[:2]
    image = np.zeros(shape, np.uint8)
    side = max(rows, columns)
    if rng.random() < 0.6:
        text = str(rng.choice(["R", "L", "RL", "LL", "R 12", "L K", "LAT", "RT"]))
        x = int(rng.choice([rng.uniform(0.02, 0.2), rng.uniform(0.78, 0.92)]) * columns)
        y = int(rng.choice([rng.uniform(0.07, 0.2), rng.uniform(0.85, 0.97)]) * rows)
        size = rng.uniform(0.6, 1.5) * side / 640
        cv2.putText(
            image, text, (x, y), int(rng.integers(0, 4)), size, [255], max(1, round(2.5 * size)), cv2.LINE_AA
        )
    if rng.random() < 0.06:
        for _ in range(rng.integers(1, 4)):
            points = np.cumsum(
                rng.normal(0, side / 30, (14, 2)) + rng.normal(0, side / 30, 2), 0
            ) + rng.uniform(0, 1, 2) * (columns, rows)
            fine = cv2.GaussianBlur(np.repeat(points, 8, 0).astype(np.float32), (1, 31), 8)
            cv2.polylines(
                image,
                [fine.astype(np.int32)],
                False,
                [int(rng.uniform(40, 160))],
                int(rng.integers(1, 4)),
                cv2.LINE_AA,
            )
    if rng.random() < 0.12:
        _cushion(image, rng)
    return image.astype(np.float32) * np.float32(LEAD / 255)


def _cushion(image: np.ndarray, rng: np.random.Generator) -> None:
    """Draw a foam wedge's or a trough's faint edge across the picture."""
    size = np.array(image.shape[::-1])
    corners = rng.uniform((-0.2, 0.55), (1.2, 1.1), (3, 2)) * size
    shade = np.zeros_like(image)
    cv2.fillPoly(shade, [(corners * 16).astype(np.int32)], [int(rng.integers(4, 14))], cv2.LINE_AA, 4)
    outline = [(corners * 16).astype(np.int32)]
    cv2.polylines(shade, outline, True, [int(rng.integers(8, 30))], int(rng.integers(1, 4)), cv2.LINE_AA, 4)
    np.maximum(image, shade, out=image)


def exposure(attenuation: np.ndarray, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Give minus the logarithm of the detector's signal, float32 (rows, columns)."""
    side = max(attenuation.shape)
    primary = cv2.exp(-attenuation)
    share = drawn(style.scatter, rng)
    scatter = blur(primary, 0.06 * side)
    signal = (1 - 0.3 * share) * primary + share * 0.5 * scatter
    signal = blur(signal.astype(np.float32), drawn(style.sharpness_px, rng) * side / 640)
    photons = 10 ** drawn(style.photons, rng)
    noise = white(rng, attenuation.shape)
    signal += cv2.sqrt(np.maximum(signal, 1e-4) / photons) * noise
    return np.asarray(-cv2.log(np.maximum(signal, 2e-3)))


def processed(density: np.ndarray, body: np.ndarray, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Turn densities into grey values 0 to 1: local contrast, then an S-curve about the dog's densities."""
    side = max(density.shape)
    fine, coarse = blur(density, side / 130), blur(density, side / 14)
    density = (
        density + drawn(style.detail, rng) * (density - fine) + drawn(style.local, rng) * (fine - coarse)
    )
    low, high = np.percentile(density[body][::7], (1.5, 99.3))
    middle = low + (high - low) * rng.uniform(0.38, 0.62)
    width = max(high - low, 0.3) * drawn(style.contrast, rng) / 5.5
    return np.asarray(1 / (1 + cv2.exp((middle - density) / width)))


class Exposed(NamedTuple):
    """The part of a picture that X-rays reached."""

    mask: np.ndarray
    """bool (rows, columns)."""
    corners: np.ndarray
    """float64 (4, 2): TL, TR, BR, BL in continuous pixels."""


def collimation(field: np.ndarray, points: np.ndarray, style: Style, rng: np.random.Generator) -> Exposed:
    """Give what the blades leave open of the detector's field, bool (rows, columns); it holds all points."""
    down, across = np.flatnonzero(field.any(1)), np.flatnonzero(field.any(0))
    within = np.array([[across[0], down[0]], [across[-1] + 1, down[-1] + 1]], np.float64)
    if rng.random() > style.collimated:
        return Exposed(field, within[[[0, 0], [1, 0], [1, 1], [0, 1]], [0, 1]])
    shape = rows, columns = field.shape
    image = np.zeros(shape, np.uint8)
    margin = 0.03 * max(shape)
    low = np.minimum(
        points.min(0) - margin, rng.uniform(0, 0.12, 2) * (columns, rows) * (rng.random(2) < 0.6)
    )
    high = np.maximum(
        points.max(0) + margin, (columns, rows) * (1 - rng.uniform(0, 0.12, 2) * (rng.random(2) < 0.6))
    )
    corners = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
    turn = np.deg2rad(np.clip(rng.normal(0, 1.5), -2.5, 2.5))
    middle = corners.mean(0)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = (corners - middle) @ spin.T + middle
    cv2.fillConvexPoly(image, (corners * 16).astype(np.int32), [1], cv2.LINE_8, 4)
    return Exposed((image > 0) & field, corners.clip(*within))


def finished(
    grey: np.ndarray, exposed: np.ndarray, field: np.ndarray, style: Style, rng: np.random.Generator
) -> np.ndarray:
    """Mask, grain, dead pixels, burnt-in text, rare inversion: uint8 (rows, columns)."""
    dark = style.mask == "black" or (style.mask == "either" and rng.random() < 0.5)
    edge = blur(exposed.astype(np.float32), rng.uniform(0.3, 2.0))
    border = rng.uniform(0, 0.06) if dark else rng.uniform(0.85, 1.0)
    grey = grey * edge + border * (1 - edge)
    grain = drawn(style.grain, rng) / 255
    grey = grey + grain * clouds(rng, grey.shape, drawn(style.grain_px, rng))
    picture = np.clip(grey * 255, 0, 255)
    if rng.random() < 0.15:
        spacing = int(rng.integers(3, 9))
        picture[:, ::spacing] *= rng.uniform(0.94, 1.05)
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    if not field.all():
        picture[~field] = int(rng.choice([0, 0, 0, 12, 128, 255]))
    if rng.random() < 0.2:
        count = int(rng.integers(3, 60))
        picture[rng.integers(0, grey.shape[0], count), rng.integers(0, grey.shape[1], count)] = rng.choice(
            [0, 255]
        )
    if rng.random() < 0.25:
        _burn_in(picture, rng)
    return 255 - picture if rng.random() < 0.02 else picture


def _burn_in(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Write what a console writes into a corner."""
    rows, columns = picture.shape
    size = rng.uniform(0.3, 0.5) * max(rows, columns) / 640
    left, top = int(rng.choice([0.01, 0.72]) * columns), int(rng.choice([0.03, 0.88]) * rows)
    for line in range(rng.integers(1, 4)):
        text = "".join(rng.choice(list("ABCDEFGHIKLMNOPRSTU0123456789:/ "), rng.integers(5, 16)))
        cv2.putText(
            picture,
            text,
            (left, top + int((line + 1) * 26 * size)),
            0,
            size,
            [int(rng.uniform(150, 255))],
            1,
            cv2.LINE_AA,
        )
