"""The decoders that pydicom calls: imagecodecs, and pylibjpeg-rle for RLE; importing this registers them.

They take the place of whatever else is installed, so that the same file gives the same pixels everywhere.

References
----------
pydicom, "Pixel data decoding", plugins: `func(src, runner)`, `is_available`, `DECODER_DEPENDENCIES`.
"""

from typing import Any, cast

import imagecodecs  # imports each codec only when it is first used
import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.decoders.base import Decoder, DecodeRunner, get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from rle import decode_pixel_data  # type: ignore[attr-defined]  # it has no __all__

from gateway.imaging.dicom.codestreams import adobe_transform


class _NewSyntax(UID):
    """A transfer syntax that pydicom 3.0 does not know yet, so that it takes no decoder for it."""

    is_transfer_syntax = True


JPEG = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit})
JPEG_LOSSLESS = frozenset({JPEGLossless, JPEGLosslessSV1})
JPEG_LS = frozenset({JPEGLSLossless, JPEGLSNearLossless})
JPEG_2000 = frozenset({JPEG2000, JPEG2000Lossless, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL})
JPEG_XL = frozenset({_NewSyntax(f"1.2.840.10008.1.2.4.{number}") for number in (110, 111, 112)})
RLE = frozenset({RLELossless})

_IMAGECODECS = JPEG | JPEG_LOSSLESS | JPEG_LS | JPEG_2000 | JPEG_XL
DECODER_DEPENDENCIES = {
    **dict.fromkeys(_IMAGECODECS, ("imagecodecs>=2025.3.30",)),
    **dict.fromkeys(RLE, ("pylibjpeg-rle>=2.0",)),
}


class OutOfMemory(BaseException):
    """A decoder's MemoryError; pydicom would make a RuntimeError of any Exception."""


def is_available(uid: str) -> bool:
    """Tell pydicom that the libraries are here: this package depends on them."""
    return uid in DECODER_DEPENDENCIES


def decode_imagecodecs(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode one frame of any JPEG; samples come out interleaved."""
    try:
        pixels = _imagecodecs(src, runner)
    except MemoryError as error:
        raise OutOfMemory from error
    shape = (runner.rows, runner.columns, runner.samples_per_pixel)
    if pixels.shape != (shape[:2] if shape[2] == 1 else shape):
        raise ValueError(f"decoded to {pixels.shape}, the header says {shape}")
    runner.set_option("bits_allocated", 8 * pixels.dtype.itemsize)
    runner.set_option("planar_configuration", 0)
    return cast(bytes, np.ascontiguousarray(pixels))  # anything with a buffer will do


def _imagecodecs(src: bytes, runner: DecodeRunner) -> NDArray[Any]:
    syntax, is_colour = runner.transfer_syntax, runner.samples_per_pixel == 3
    if syntax in JPEG_LS:
        return imagecodecs.jpegls_decode(src)
    if syntax in JPEG_2000:
        return imagecodecs.jpeg2k_decode(src, numthreads=1)
    if syntax in JPEG_LOSSLESS and is_colour:
        return imagecodecs.jpeg8_decode(src, colorspace="RGB", outcolorspace="RGB")
    if syntax in JPEG_LOSSLESS:
        return imagecodecs.jpeg8_decode(src)
    was_rgb = runner.photometric_interpretation == "RGB"  # by now pydicom has looked for JFIF and R, G, B
    if is_colour:
        runner.set_option("photometric_interpretation", "RGB")
    if syntax in JPEG_XL:
        return imagecodecs.jpegxl_decode(src, numthreads=1)
    if not is_colour:
        return imagecodecs.jpeg8_decode(src)
    transform = adobe_transform(src)
    space = "RGB" if transform == 0 or (transform is None and was_rgb) else "YCBCR"
    return imagecodecs.jpeg8_decode(src, colorspace=space, outcolorspace="RGB")


def decode_rle(src: bytes, runner: DecodeRunner) -> bytearray:
    """Decode one frame of RLE; samples come out one plane after the other."""
    try:
        frame = decode_pixel_data(
            src, version=2, rows=runner.rows, columns=runner.columns, bits_allocated=runner.bits_allocated
        )
    except MemoryError as error:
        raise OutOfMemory from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # Rust's; no Exception, and met with hostile input
            raise ValueError("the RLE decoder gave up") from error
        raise
    runner.set_option("planar_configuration", 1)
    return cast(bytearray, frame)


_DECODERS = {uid: Decoder(uid) if uid in JPEG_XL else get_decoder(uid) for uid in DECODER_DEPENDENCIES}


def decoder_of(uid: str) -> Decoder:
    """Give pydicom's decoder of a compressed transfer syntax.

    Raises
    ------
    KeyError
        There is none.
    """
    return _DECODERS[UID(uid)]


for _uid, _decoder in _DECODERS.items():
    for _label in _decoder.available_plugins:
        _decoder.remove_plugin(_label)
    _function = "decode_rle" if _uid in RLE else "decode_imagecodecs"
    _decoder.add_plugin("radgate", (__name__, _function))
