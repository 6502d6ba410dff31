"""JPEG files: their header, read without a decoder, and their pixels."""

import re
import struct
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from gateway.imaging.colour import coloured_share
from gateway.imaging.errors import CorruptImage
from gateway.imaging.exif import Exif, read_exif

SIGNATURE = b"\xff\xd8\xff"
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN, _END_OF_IMAGE, _APP1 = 0xDA, 0xD9, 0xE1
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_MARKER = re.compile(rb"\xff([^\xff])", re.DOTALL)
_EXIF = b"Exif\0\0"
_MAX_SEGMENTS = 2_000
_IN_COLOUR = 3
_HARMLESS = (
    "extraneous bytes before marker",
    "unknown JFIF revision",
    "Adobe color transform",
    "Invalid SOS",
)
"""libjpeg's warnings that cost no pixels; some cameras write such files."""
_DAMAGED = "the JPEG data are damaged or end too early"


class Header(NamedTuple):
    """What stands before the pixels."""

    width: int
    height: int
    exif: Exif
    components: int
    """1 where the file is grey, 3 in colour, 4 in the colours of printing."""


def read_header(data: bytes) -> Header:
    """Read the size, as stored, and EXIF.

    Raises
    ------
    CorruptImage
        There is no size.

    References
    ----------
    ITU-T T.81, B.1 and B.2.
    """
    exif = Exif()
    at = 2
    for _ in range(_MAX_SEGMENTS):
        marker, at = _next_marker(data, at)
        if marker in _WITHOUT_LENGTH:
            continue
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            break
        length = int.from_bytes(data[at : at + 2], "big")
        segment = data[at + 2 : at + length]
        if marker in _START_OF_FRAME and len(segment) >= 6:
            height, width = struct.unpack_from(">HH", segment, 1)
            return Header(width, height, exif, segment[5])
        if marker == _APP1 and segment.startswith(_EXIF):
            exif = read_exif(segment[len(_EXIF) :])
        at += max(length, 2)
    raise CorruptImage("the JPEG data have no frame header")


def read_grey(data: bytes, *, reduction: int = 1) -> tuple[NDArray[np.uint8], float]:
    """Decode to luma by ITU-R BT.601.

    The colours of printing, CMYK, are taken as inverted, as Adobe began and all have done since.

    Parameters
    ----------
    data
        The file.
    reduction
        1, 2, 4 or 8: rows and columns become fewer by that factor, rounded up, within the decoder's
        cosine transform.

    Returns
    -------
    uint8 (rows, columns) as stored, and `coloured_share`; of the colours of printing that is not told, 0.

    Raises
    ------
    CorruptImage
        The data are damaged, or end before the last row: decoders fill what is missing with grey.
    """
    if read_header(data).components != _IN_COLOUR:
        return np.asarray(_decoded(data, "GRAY", reduction)[..., 0]), 0.0
    pixels = _decoded(data, "BGR", reduction)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8), coloured_share(pixels)


def read_bgr(data: bytes) -> NDArray[np.uint8]:
    """Decode to (rows, columns, 3), blue, green, red, as stored; grey files alike.

    Raises
    ------
    CorruptImage
        As `read_grey`.
    """
    return _decoded(data, "BGR", 1)


def _decoded(data: bytes, colours: str, reduction: int) -> NDArray[np.uint8]:
    try:
        return _pixels(data, colours, reduction, strict=True)
    except ValueError as error:
        if not any(warning in str(error) for warning in _HARMLESS):
            raise CorruptImage(_DAMAGED) from error
    try:
        return _pixels(data, colours, reduction, strict=False)
    except ValueError as error:
        raise CorruptImage(_DAMAGED) from error


def _pixels(data: bytes, colours: str, reduction: int, *, strict: bool) -> NDArray[np.uint8]:
    width, height, *_ = read_header(data)
    rows, columns = -(-height // reduction), -(-width // reduction)
    pixels = simplejpeg.decode_jpeg(
        data, colorspace=colours, min_height=rows, min_width=columns, strict=strict
    )
    return np.asarray(pixels, np.uint8)


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    """Give the next marker's code and where its segment begins; markers may be padded with 0xFF."""
    found = _MARKER.search(data, at)
    if found is None:
        raise CorruptImage("the JPEG data end before a frame header")
    return found[1][0], found.end()
