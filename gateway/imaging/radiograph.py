"""A radiograph's stored values to an 8-bit film, and a film to a network's square input."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.imaging.dicom import stored_values
from gateway.imaging.dicom.attributes import numbers, text
from gateway.imaging.errors import WrongContent
from gateway.imaging.grey_scale import grey_film, luma

_RADIOGRAPHS = frozenset({"", "CR", "DX", "DR", "RG", "OT", "SC"})
"""RG, OT and SC: digitised films and secondary captures of the field carry them (chest_xray.md §2.1)."""
_LATERAL = frozenset({"LL", "RL", "LATERAL", "LAT"})
_CHEST = ("CHEST", "THORA", "TORAX", "LUNG")
_MAX_ANISOTROPY = 4.0


class Radiograph(NamedTuple):
    """A film as it is looked at."""

    pixels: NDArray[np.uint8]
    """(rows, columns), air dark, bone bright, square pixels."""
    notes: tuple[str, ...]
    """What was done that a reader of the report should know."""


def render_radiograph(dataset: Dataset) -> Radiograph:
    """Render the first frame: modality LUT, padding, VOI, inversion, 8 bits, square pixels, in this order.

    Parameters
    ----------
    dataset
        From `gateway.imaging.dicom.read_image`.

    Raises
    ------
    ImageError
        The pixel data cannot be decoded.

    References
    ----------
    DICOM PS3.3 C.11.1 Modality LUT, C.7.5.1.1.2 Pixel Padding, C.11.2 VOI LUT, C.7.6.3.1.2
    Photometric Interpretation (the smallest value is white after the VOI transformation).
    """
    stored = stored_values(dataset)
    notes = [] if dataset.NumberOfFrames == 1 else ["several frames: the first used"]
    if stored.ndim == 3:
        palette = str(dataset.PhotometricInterpretation) == "PALETTE COLOR"
        bits = 8 * stored.dtype.itemsize if palette else int(dataset.BitsStored)
        film, more = luma(stored, bits), ["converted from colour"]
    else:
        film, more = grey_film(stored, dataset)
    pixels, resampled = _square_pixels(film, dataset)
    return Radiograph(pixels, (*notes, *more, *resampled))


def require_chest_radiograph(header: Dataset) -> None:
    """Refuse what its header says is no frontal chest radiograph; empty attributes pass.

    Raises
    ------
    WrongContent
        Modality, BodyPartExamined or ViewPosition says otherwise; the message names the attribute.
    """
    modality = text(header, "Modality").strip().upper()
    if modality not in _RADIOGRAPHS:
        raise WrongContent(f"Modality: expected a radiograph (CR, DX), came {_shown(modality)}")
    body_part = text(header, "BodyPartExamined").strip().upper()
    if body_part and not any(name in body_part for name in _CHEST):
        raise WrongContent(f"BodyPartExamined: expected CHEST, came {_shown(body_part)}")
    view = text(header, "ViewPosition").strip().upper()
    if view in _LATERAL:
        raise WrongContent(f"ViewPosition: expected a frontal view (PA, AP), came {_shown(view)}")


def square_input(pixels: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Fit a film into a square, centred, padded with black.

    Returns
    -------
    float32, (1, size, size), in [0, 1]. Where the film lies in it: `film_box`.
    """
    rows, columns = (max(1, round(size * side / max(pixels.shape))) for side in pixels.shape)
    fitted = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)
    square = np.zeros((1, size, size), np.float32)
    top, left = (size - rows) // 2, (size - columns) // 2
    np.multiply(fitted, np.float32(1 / 255), out=square[0, top : top + rows, left : left + columns])
    return square


def film_box(rows: int, columns: int) -> tuple[float, float, float, float]:
    """Give where `square_input` puts a film: top, left, bottom, right in fractions of the square.

    Exact for any size of square up to the rounding to whole pixels, so it also holds for the smaller
    maps that a network makes of it.
    """
    height, width = rows / max(rows, columns), columns / max(rows, columns)
    return (1 - height) / 2, (1 - width) / 2, (1 + height) / 2, (1 + width) / 2


def _shown(value: str) -> str:
    """Shorten a code string for a message; anything else than a code might be about the patient."""
    return (
        value if len(value) <= 16 and value.replace("_", "").replace(" ", "").isalnum() else "something else"
    )


def _square_pixels(film: NDArray[np.uint8], dataset: Dataset) -> tuple[NDArray[np.uint8], list[str]]:
    """Shrink the finer axis until pixels are square (PS3.3 10.7.1.3, C.7.6.3.1.7)."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
        spacing = numbers(dataset, keyword)
        if len(spacing) == 2 and min(spacing) > 0:
            break
    else:
        return film, []
    ratio = spacing[0] / spacing[1]
    if abs(ratio - 1) < 0.01:
        return film, []
    if not 1 / _MAX_ANISOTROPY <= ratio <= _MAX_ANISOTROPY:
        return film, [f"{keyword} ignored: implausible"]
    rows, columns = film.shape
    fine = (columns, max(1, round(rows * ratio))) if ratio < 1 else (max(1, round(columns / ratio)), rows)
    return cv2.resize(film, fine, interpolation=cv2.INTER_AREA), ["resampled to square pixels"]  # type: ignore[return-value]
