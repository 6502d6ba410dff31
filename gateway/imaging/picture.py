"""JPEG and PNG files to the upright grey picture that is measured."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.imaging import jpeg_file, png_file
from gateway.imaging.errors import CorruptImage, TooManyPixels, UnsupportedFormat
from gateway.imaging.exif import Exif, upright

MAX_PIXELS = 50_000_000
MAX_SIDE_PX = 65_535
"""What a JPEG can have at most."""


class Probe(NamedTuple):
    """What the first bytes of a file say."""

    format: str
    """JPEG or PNG."""
    width: int
    """As stored: columns of a picture that EXIF turns by 90 degrees are its rows."""
    height: int


class Picture(NamedTuple):
    """A picture as it is looked at."""

    pixels: NDArray[np.uint8]
    """(rows, columns), upright, grey."""
    focal_35mm_mm: float | None
    """Focal length of the camera, as if its sensor were 36 by 24 mm; None where the file does not say."""
    bits: int
    """Of a sample in the file."""
    file_size: tuple[int, int]
    """Width and height of the picture in the file, upright."""
    colour: float
    """Share of it that has a colour, see `coloured_share`."""
    reduction: int = 1
    """Pixels of the file per pixel here, in each direction."""

    def header(self) -> dict[str, Any]:
        """Give what travels with the picture through the pipelines."""
        height, width = self.pixels.shape
        size = {"width": width, "height": height, "reduction": self.reduction, "file_size": self.file_size}
        return {**size, "focal_35mm_mm": self.focal_35mm_mm, "bits": self.bits, "colour": self.colour}


def probe(data: bytes) -> Probe:
    """Tell what a file is, from its header alone, in microseconds.

    Raises
    ------
    UnsupportedFormat
        Neither JPEG nor PNG.
    TooManyPixels
        More than MAX_PIXELS, or a side beyond MAX_SIDE_PX.
    CorruptImage
        A JPEG or PNG without a size.
    """
    if data.startswith(jpeg_file.SIGNATURE):
        found = Probe("JPEG", *jpeg_file.read_header(data)[:2])
    elif data.startswith(png_file.SIGNATURE):
        found = Probe("PNG", *png_file.read_header(data))
    else:
        raise UnsupportedFormat("Unsupported image format")
    if min(found.width, found.height) < 1:
        raise CorruptImage(f"the {found.format} data have no pixels")
    if found.width * found.height > MAX_PIXELS or max(found.width, found.height) > MAX_SIDE_PX:
        raise TooManyPixels(
            f"the image has {found.width} x {found.height} pixels, "
            f"at most {MAX_PIXELS // 10**6} megapixels are accepted"
        )
    return found


def read_picture(data: bytes, *, enough_px: int = MAX_SIDE_PX) -> Picture:
    """Decode a JPEG or PNG.

    Parameters
    ----------
    data
        The file.
    enough_px
        What the longer side needs: a JPEG with twice as many pixels and more is halved until it has not.

    Raises
    ------
    UnsupportedFormat, TooManyPixels
        As `probe` does, before anything is decoded.
    CorruptImage
        Not every pixel is there as it was written.
    """
    found = probe(data)
    if found.format == "PNG":
        pixels, colour, exif, bits = png_file.read_grey(data)
        return _picture(found, pixels, colour, exif, bits=bits)
    reduction = 1
    while reduction < 8 and max(found.width, found.height) >= 2 * reduction * enough_px:
        reduction *= 2
    pixels, colour = jpeg_file.read_grey(data, reduction=reduction)
    return _picture(found, pixels, colour, jpeg_file.read_header(data).exif, reduction=reduction)


def _picture(
    found: Probe, pixels: np.ndarray, colour: float, exif: Exif, *, bits: int = 8, reduction: int = 1
) -> Picture:
    size = _upright_size(found, exif)
    return Picture(_turned(pixels, exif), exif.focal_35mm_mm, bits, size, colour, reduction)


def read_colour(data: bytes) -> NDArray[np.uint8]:
    """Decode a JPEG or PNG to (rows, columns, 3), blue, green, red, upright; raises as `read_picture`."""
    if probe(data).format == "JPEG":
        return _turned(jpeg_file.read_bgr(data), jpeg_file.read_header(data).exif)
    return _turned(*png_file.read_bgr(data))


def _upright_size(found: Probe, exif: Exif) -> tuple[int, int]:
    return (found.height, found.width) if exif.orientation >= 5 else (found.width, found.height)


def _turned(pixels: np.ndarray, exif: Exif) -> NDArray[np.uint8]:
    return np.ascontiguousarray(upright(pixels, exif.orientation))
