"""PNG files: their header, read without a decoder, and their grey values.

Chunks are walked here and only those with pixels reach the decoder: compressed texts and colour profiles can
be bombs, further frames of an animation are not looked at.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from gateway.imaging.colour import coloured_share
from gateway.imaging.errors import CorruptImage
from gateway.imaging.exif import MAX_BYTES, Exif, read_exif
from gateway.imaging.grey_window import grey_window

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


class Header(NamedTuple):
    """What stands before the pixels."""

    width: int
    height: int


class Chunk(NamedTuple):
    """One chunk."""

    kind: bytes
    data: memoryview
    stored: memoryview
    """All of it: length, kind, data and checksum."""


def read_header(data: bytes) -> Header:
    """Read the size.

    Raises
    ------
    CorruptImage
        There is none.

    References
    ----------
    Portable Network Graphics (PNG) Specification (Third Edition), W3C, 5 and 11.2.1.
    """
    if len(data) < 33 or data[8:16] != b"\0\0\0\x0dIHDR":
        raise CorruptImage("the PNG data have no header chunk")
    return Header(*struct.unpack_from(">II", data, 16))


def read_bgr(data: bytes) -> tuple[NDArray[np.uint8], Exif]:
    """Decode the first picture in colour.

    Returns
    -------
    uint8 (rows, columns, 3), blue, green, red, as stored, and EXIF. Transparency lies on black, and 16
    bits become 8 as for `read_grey`.

    Raises
    ------
    CorruptImage
        As `read_grey`.
    """
    samples, exif = _samples(data)
    if samples.ndim == 2 or samples.shape[2] == 2:
        grey = cv2.cvtColor(_eight_bits(_grey(samples)), cv2.COLOR_GRAY2BGR)
        return np.asarray(grey, np.uint8), exif
    colours = _eight_bits(np.ascontiguousarray(samples[..., 2::-1]))
    if samples.shape[2] == 4:
        share = samples[..., 3:] / np.float32(np.iinfo(samples.dtype).max)
        colours = (colours * share).astype(np.uint8)
    return colours, exif


def read_grey(data: bytes) -> tuple[NDArray[np.uint8], float, Exif, int]:
    """Decode the first picture.

    Returns
    -------
    uint8 (rows, columns) as stored, `coloured_share`, EXIF, and bits per sample. Colour becomes luma by
    ITU-R BT.601, transparency lies on black, and 16 bits become 8 between the 1st and the 99th percentile.

    Raises
    ------
    CorruptImage
        A checksum is wrong, or the data are damaged or end too early.
    """
    samples, exif = _samples(data)
    return _eight_bits(_grey(samples)), _coloured(samples), exif, data[24]


def _samples(data: bytes) -> tuple[np.ndarray, Exif]:
    """Decode to (rows, columns) or (rows, columns, channels) in the file's own depth."""
    chunks = list(_chunks(data))
    exif = next((bytes(c.data) for c in chunks if c.kind == b"eXIf" and len(c.data) <= MAX_BYTES), b"")
    pixels = [chunk.stored for chunk in chunks if chunk.kind in _PIXEL_CHUNKS]
    try:
        samples = imagecodecs.png_decode(b"".join((SIGNATURE, *pixels)))
    except (RuntimeError, ValueError) as error:
        raise CorruptImage("the PNG data are damaged or end too early") from error
    return np.asarray(samples), read_exif(exif)


def _chunks(data: bytes) -> Iterator[Chunk]:
    view, at, kind = memoryview(data), len(SIGNATURE), b""
    while kind != b"IEND":
        length = int.from_bytes(view[at : at + 4], "big")
        stored = view[at : at + length + 12]
        if len(stored) < length + 12:
            raise CorruptImage("the PNG data end too early")
        kind, body = bytes(stored[4:8]), stored[8:-4]
        if zlib.crc32(stored[4:-4]) != int.from_bytes(stored[-4:], "big"):
            raise CorruptImage("a checksum of the PNG data is wrong")
        yield Chunk(kind, body, stored)
        at += length + 12


def _grey(samples: np.ndarray) -> np.ndarray:
    """Give (rows, columns) of grey, grey with alpha, RGB or RGBA, in the samples' own type."""
    if samples.ndim == 2:
        return samples
    channels = samples.shape[2]
    grey = cv2.cvtColor(samples, cv2.COLOR_RGB2GRAY) if channels == 3 else samples[..., 0]
    if channels == 4:
        grey = cv2.cvtColor(samples, cv2.COLOR_RGBA2GRAY)
    if channels in (2, 4):
        grey = cv2.multiply(grey, samples[..., -1], scale=1 / np.iinfo(samples.dtype).max)
    return np.ascontiguousarray(grey)


def _coloured(samples: np.ndarray) -> float:
    """Give `coloured_share` of RGB or RGBA; grey, with alpha or without, has no colour."""
    if samples.ndim == 2 or samples.shape[2] == 2:
        return 0.0
    colours = samples[..., :3] if samples.dtype == np.uint8 else samples[..., :3] >> 8
    return coloured_share(np.ascontiguousarray(colours, np.uint8))


def _eight_bits(grey: np.ndarray) -> NDArray[np.uint8]:
    if grey.dtype == np.uint8:
        return grey
    lower, upper = grey_window(grey.reshape(len(grey), -1))
    scale = 255 / max(upper - lower, 1)
    return np.asarray(cv2.convertScaleAbs(grey.clip(lower, upper) - lower, alpha=scale), np.uint8)
