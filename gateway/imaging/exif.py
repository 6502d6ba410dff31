"""The two EXIF tags that measuring a picture needs: which way is up, and the camera's focal length."""

import struct
from typing import NamedTuple

import cv2
import numpy as np

_ORIENTATION, _EXIF_IFD, _FOCAL_LENGTH_IN_35MM = 0x0112, 0x8769, 0xA405
_SHORT, _LONG = 3, 4
_MAX_ENTRIES = 512
MAX_BYTES = 65_536
"""What fits into a JPEG segment; of more nothing is read."""


class Exif(NamedTuple):
    """What a picture's file says about itself."""

    orientation: int = 1
    """1 to 8; 1 is upright."""
    focal_35mm_mm: float | None = None
    """Focal length, as if the sensor were 36 by 24 mm."""


def read_exif(tiff: bytes) -> Exif:
    """Read EXIF data; whatever is damaged counts as absent.

    Parameters
    ----------
    tiff
        From its byte order mark on, without JPEG's `Exif` prefix.

    References
    ----------
    CIPA DC-008 (Exif 3.0), 4.6.
    """
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) > MAX_BYTES:
        return Exif()
    try:
        main = _directory(tiff, order, *struct.unpack_from(f"{order}I", tiff, 4))
        inner = _directory(tiff, order, main[_EXIF_IFD]) if _EXIF_IFD in main else {}
    except struct.error:
        return Exif()
    orientation = main.get(_ORIENTATION, 1)
    return Exif(
        orientation if 1 <= orientation <= 8 else 1,
        float(inner.get(_FOCAL_LENGTH_IN_35MM, 0)) or None,  # 0 stands for unknown
    )


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror (rows, columns) as the EXIF orientation asks."""
    if orientation >= 5:
        pixels = cv2.transpose(pixels)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return pixels if flip is None else cv2.flip(pixels, flip)


def _directory(tiff: bytes, order: str, offset: int) -> dict[int, int]:
    """Give the first value of each tag that holds whole numbers."""
    (count,) = struct.unpack_from(f"{order}H", tiff, offset)
    values = {}
    for entry in range(min(count, _MAX_ENTRIES)):
        at = offset + 2 + 12 * entry
        tag, kind, length = struct.unpack_from(f"{order}HHI", tiff, at)
        if kind in (_SHORT, _LONG) and length == 1:
            (values[tag],) = struct.unpack_from(f"{order}{'H' if kind == _SHORT else 'I'}", tiff, at + 8)
    return values
