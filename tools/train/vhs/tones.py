"""Random tones of a picture: exposure, sharpness, noise, light on a screen, compression."""

import cv2
import numpy as np

Generator = np.random.Generator

INVERTED_SHARE = 0.04
_NOISE = np.random.default_rng(0).standard_normal((1024, 1024)).astype(np.float32)


def toned(picture: np.ndarray, generator: Generator) -> np.ndarray:
    """Change a picture's tones at random; uint8 (rows, columns), pixels stay where they are."""
    picture = cv2.LUT(picture, _curve(generator))
    if generator.random() < 0.08:
        clahe = cv2.createCLAHE(generator.uniform(1, 4), (8, 8))
        picture = clahe.apply(picture)
    if generator.random() < 0.2:
        picture = _lit_unevenly(picture, generator)
    if generator.random() < 0.06:
        picture = _seen_through_a_grid(picture, generator)
    if generator.random() < 0.4:
        sigma = generator.uniform(0.3, 1.6) * max(picture.shape) / 512
        picture = cv2.GaussianBlur(picture, (0, 0), max(sigma, 0.3))
    if generator.random() < 0.7:
        picture = _noisy(picture, generator)
    return _recompressed(picture, generator) if generator.random() < 0.25 else np.asarray(picture)


def _curve(generator: Generator) -> np.ndarray:
    """Give a table of grey levels: window, gamma, contrast, now and then inverted; uint8 (256,)."""
    low, high = generator.uniform(-0.1, 0.15), generator.uniform(0.8, 1.15)
    grey = np.clip((np.arange(256) / 255 - low) / (high - low), 0, 1)
    grey = grey ** np.clip(np.exp(generator.normal(0, 0.35)), 0.5, 2.0)
    grey = 1 - grey if generator.random() < INVERTED_SHARE else grey
    dark = generator.uniform(0, 0.35) if generator.random() < 0.25 else 0.0
    bright = generator.uniform(dark + 0.25, 1) if generator.random() < 0.25 else 1.0
    return np.asarray(np.rint(255 * (dark + (bright - dark) * grey)), np.uint8)


def _lit_unevenly(picture: np.ndarray, generator: Generator) -> np.ndarray:
    """Shade a picture smoothly, or lay a bright reflection over a part of it."""
    rows, columns = picture.shape
    if generator.random() < 0.6:
        coarse = generator.uniform(0.6, 1.15, (3, 3)).astype(np.float32)
        field = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
        return np.asarray(cv2.multiply(picture, field, dtype=cv2.CV_8U))
    spot = np.zeros((64, 64), np.float32)
    centre = (int(generator.integers(64)), int(generator.integers(64)))
    axes = (int(generator.integers(2, 14)), int(generator.integers(2, 14)))
    cv2.ellipse(spot, centre, axes, generator.uniform(0, 180), 0, 360, [generator.uniform(30, 160)], -1)
    glare = cv2.resize(cv2.GaussianBlur(spot, (0, 0), generator.uniform(1, 5)), (columns, rows))
    return np.asarray(cv2.add(picture, glare, dtype=cv2.CV_8U))


def _seen_through_a_grid(picture: np.ndarray, generator: Generator) -> np.ndarray:
    """Lay the beat of two grids over a picture, as a camera sees a screen's pixels."""
    rows, columns = picture.shape
    pitch, angle = generator.uniform(2.5, 14), generator.uniform(0, np.pi)
    x, y = np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32)[:, None]
    phase = (np.cos(angle) * x + np.sin(angle) * y) * np.float32(2 * np.pi / pitch)
    wave = np.sin(phase) * np.float32(generator.uniform(3, 14))
    return np.asarray(cv2.add(picture, wave, dtype=cv2.CV_8U))


def _noisy(picture: np.ndarray, generator: Generator) -> np.ndarray:
    rows, columns = picture.shape
    top, left = generator.integers(0, (1025 - rows, 1025 - columns))
    part = _NOISE[top : top + rows, left : left + columns]
    noisy = cv2.scaleAdd(part, generator.uniform(1, 10), picture.astype(np.float32))
    return np.asarray(noisy.clip(0, 255), np.uint8)


def _recompressed(picture: np.ndarray, generator: Generator) -> np.ndarray:
    quality = int(generator.integers(40, 96))
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))
