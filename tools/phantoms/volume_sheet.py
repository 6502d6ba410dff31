"""A contact sheet of one volume: three planes of image and labels."""

from collections.abc import Sequence

import cv2
import numpy as np

from gateway.imaging.maisi.labels import BY_INDEX

SOFT_TISSUE = (40.0, 400.0)
LUNG = (-500.0, 1500.0)
"""Window centre and width, HU."""
GAP_PX = 4


def volume_sheet(
    image_hu: np.ndarray,
    labels: np.ndarray,
    spacing_mm: Sequence[float],
    *,
    window_hu: tuple[float, float] = SOFT_TISSUE,
    at: Sequence[float] = (0.5, 0.5, 0.5),
    height_px: int = 360,
) -> np.ndarray:
    """Draw an axial, a coronal and a sagittal slice, as radiologists hold them, and again with label colours.

    Parameters
    ----------
    image_hu, labels
        int16 and uint8 [x, y, z] in RAS+ axes.
    at
        Where x, y and z are cut, 0..1 of their lengths.

    Returns
    -------
    uint8 (rows, columns, 3), BGR: image above, labels over the image below.
    """
    x, y, z = (min(int(share * n), n - 1) for share, n in zip(at, labels.shape, strict=True))
    dx, dy, dz = spacing_mm
    upper, lower = [], []
    for cut, size in (
        (np.s_[::-1, ::-1, z], (dx, dy)),
        (np.s_[::-1, y, ::-1], (dx, dz)),
        (np.s_[x, ::-1, ::-1], (dy, dz)),
    ):
        grey = _window(image_hu[cut].T, window_hu)
        plain = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
        upper.append(_scaled(plain, size, height_px, cv2.INTER_AREA))
        lower.append(_scaled(_coloured(plain, labels[cut].T), size, height_px, cv2.INTER_NEAREST))
    return np.vstack([_row(upper), _row(lower)])


def _window(hu: np.ndarray, window_hu: tuple[float, float]) -> np.ndarray:
    centre, width = window_hu
    return np.asarray(np.clip((hu.astype(np.float32) - centre) / width + 0.5, 0, 1) * 255, np.uint8)


def _coloured(plain: np.ndarray, labels: np.ndarray) -> np.ndarray:
    colours = np.zeros((256, 3), np.float32)
    for index, label in BY_INDEX.items():
        colours[index] = label.rgb[::-1]
    share = np.where(labels == 0, 0.0, np.where(labels == 200, 0.15, 0.6))[..., None]
    return np.asarray((1 - share) * plain + share * colours[labels], np.uint8)


def _scaled(picture: np.ndarray, size_mm: tuple[float, float], height_px: int, how: int) -> np.ndarray:
    rows, columns = picture.shape[:2]
    width = max(1, round(height_px * columns * size_mm[0] / (rows * size_mm[1])))
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), (width, height_px), interpolation=how))


def _row(pictures: Sequence[np.ndarray]) -> np.ndarray:
    bordered = [np.pad(each, ((0, GAP_PX), (0, GAP_PX), (0, 0))) for each in pictures]
    return np.hstack(bordered)
