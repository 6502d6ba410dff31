"""JPEG and PNG files to the upright grey picture that is measured."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.imaging import jpeg_file, png_file
from gateway.imaging.errors import CorruptImage, TooManyPixels, UnsupportedFormat
from gateway.imaging.exif import upright

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

    def header(self) -> dict[str, Any]:
        """Give what travels with the picture through the pipelines."""
        height, width = self.pixels.shape
        return {"width": width, "height": height, "focal_35mm_mm": self.focal_35mm_mm, "bits": self.bits}


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


def read_picture(data: bytes) -> Picture:
    """Decode a JPEG or PNG.

    Raises
    ------
    UnsupportedFormat, TooManyPixels
        As `probe` does, before anything is decoded.
    CorruptImage
        Not every pixel is there as it was written.
    """
    if probe(data).format == "JPEG":
        pixels, exif, bits = jpeg_file.read_luma(data), jpeg_file.read_header(data).exif, 8
    else:
        pixels, exif, bits = png_file.read_grey(data)
    turned = np.ascontiguousarray(upright(pixels, exif.orientation))
    return Picture(turned, exif.focal_35mm_mm, bits)
