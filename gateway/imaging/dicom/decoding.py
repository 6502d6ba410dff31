"""Pixel data to stored values: everything checked first, then decoded by pydicom with our plugins."""

import struct
import warnings
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from gateway.imaging.dicom import codestreams, plugins
from gateway.imaging.dicom.attributes import little_endian, numbers
from gateway.imaging.dicom.codestreams import Codestream
from gateway.imaging.dicom.image_pixel import ImagePixel
from gateway.imaging.errors import ImageError, UnsupportedTransferSyntax, WrongGeometry

_UID = "1.2.840.10008.1.2"
_NATIVE = frozenset({_UID, f"{_UID}.1", f"{_UID}.1.99", f"{_UID}.2"})
_DEFLATED_FRAME = f"{_UID}.8.1"
_COMPRESSED = frozenset({*plugins.DECODER_DEPENDENCIES, _DEFLATED_FRAME})
_FAULTS = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    BufferError,
    struct.error,
    zlib.error,
)
"""What pydicom and numpy raise where pixel data are not what the header says."""


def is_native(uid: str) -> bool:
    """Tell transfer syntaxes without compression of the pixel data."""
    return uid in _NATIVE


def check(dataset: Dataset) -> None:
    """Compare header and pixel data without decoding.

    Raises
    ------
    UnsupportedTransferSyntax
        No decoder for this transfer syntax.
    WrongGeometry
        The pixel data is too short, or its codestream has another size than the header says.
    """
    header, uid = ImagePixel.of(dataset), str(dataset.file_meta.TransferSyntaxUID)
    if not _has_native_pixels(dataset, uid):
        _codestream(codestreams.first_frame(dataset.PixelData, header.frames), uid, header)
    elif 8 * len(dataset.PixelData) < header.frame_bits:
        raise WrongGeometry(
            f"the pixel data has {len(dataset.PixelData)} bytes; one frame needs {-(-header.frame_bits // 8)}"
        )


def stored_values(dataset: Dataset) -> NDArray[Any]:
    """Decode the first frame of `read_image`'s dataset.

    Not for use in several threads at once: pydicom's warnings are switched off meanwhile.

    Returns
    -------
    (rows, columns) unsigned or signed integers, masked to BitsStored and sign-extended; or
    (rows, columns, 3) uint8 or uint16, RGB, for colour and palette images.

    Raises
    ------
    ImageError, UnsupportedTransferSyntax, WrongGeometry

    References
    ----------
    DICOM PS3.5 §8, PS3.3 C.7.6.3.1.
    """
    header, uid = ImagePixel.of(dataset), str(dataset.file_meta.TransferSyntaxUID)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stored = _stored(dataset, header, uid)
    except ImageError:
        raise
    except plugins.OutOfMemory as error:
        raise MemoryError from error
    except _FAULTS as error:
        raise ImageError("the pixel data cannot be decoded") from error
    return _coloured(stored, dataset) if header.photometric == "PALETTE COLOR" else stored


def _has_native_pixels(dataset: Dataset, uid: str) -> bool:
    """Tell native from encapsulated pixel data: by its first item where the transfer syntax misleads."""
    if uid not in _NATIVE and uid not in _COMPRESSED:
        raise UnsupportedTransferSyntax(f"no decoder for the transfer syntax {uid[:64]}")
    encapsulated = dataset.PixelData[:4] == b"\xfe\xff\x00\xe0"
    if uid in _NATIVE and encapsulated and dataset["PixelData"].is_undefined_length:
        raise UnsupportedTransferSyntax(
            f"the pixel data is compressed, but the transfer syntax is {uid[:64]}"
        )
    return uid in _NATIVE or not encapsulated


def _codestream(frame: bytes, uid: str, header: ImagePixel) -> Codestream:
    """Read the codestream's own header; it must not contradict the DICOM header."""
    codestream = _own_header(frame, uid, header)
    size = (codestream.rows, codestream.columns)
    if size != (header.rows, header.columns) or codestream.samples not in (0, header.samples):
        raise WrongGeometry(
            f"the header says {header.rows} rows by {header.columns} columns of {header.samples} samples, "
            f"the compressed pixel data {codestream.rows} by {codestream.columns} of {codestream.samples}"
        )
    return codestream


def _own_header(frame: bytes, uid: str, header: ImagePixel) -> Codestream:
    if uid in plugins.JPEG_2000:
        return codestreams.jpeg2000(frame)
    if uid in plugins.JPEG_XL:
        return codestreams.jpeg_xl(frame)
    if uid in plugins.RLE:
        return codestreams.rle(frame, header.rows, header.columns, header.samples, header.bits_allocated)
    if uid == _DEFLATED_FRAME:
        return Codestream(header.rows, header.columns, header.samples, 0)
    return codestreams.jpeg(frame)


def _stored(dataset: Dataset, header: ImagePixel, uid: str) -> NDArray[Any]:
    """Decode; then move the value down to bit 0, as pydicom knows no High Bit above it (PS3.5 §8.1.1)."""
    # pydicom is handed the first frame alone, and every attribute as `read_image` has checked it.
    if _has_native_pixels(dataset, uid):
        syntax = ExplicitVRBigEndian if uid == ExplicitVRBigEndian else ExplicitVRLittleEndian
        return _native(dataset.PixelData, header, syntax, str(dataset["PixelData"].VR))
    frame = codestreams.first_frame(dataset.PixelData, header.frames)
    codestream = _codestream(frame, uid, header)
    if uid == _DEFLATED_FRAME:  # pydicom 3.0 lacks it (PS3.5 A.4.13); inflated, it is as good as native
        inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(frame, -(-header.frame_bits // 8))
        return _native(inflated, header, ExplicitVRLittleEndian, "OB")
    options = header.options()
    if codestream.bits > 0:  # values lie in the lowest bits, and the codestream knows how many it has
        if codestream.bits > header.bits_allocated:
            options["bits_allocated"] = 8 if codestream.bits <= 8 else 16 if codestream.bits <= 16 else 32
            options["bits_stored"] = codestream.bits
        else:
            options["bits_stored"] = min(header.bits_stored, codestream.bits)
    source = encapsulate([frame[codestream.start :]], has_bot=False)
    stored, _ = plugins.decoder_of(uid).as_array(source, index=0, validate=False, **options)
    return stored if codestream.bits else _moved_down(stored, header)


def _native(data: bytes, header: ImagePixel, syntax: str, vr: str) -> NDArray[Any]:
    """Have pydicom shape native pixel data: planes, words, bits, chroma (PS3.5 §8.1.1, PS3.3 C.7.6.3.1)."""
    options = header.options() | {"pixel_vr": vr}
    whole = header.rows * header.columns * 3 * header.bits_allocated // 8
    if header.is_subsampled and header.frames == 1 and len(data) >= whole:
        options["photometric_interpretation"] = "YBR_FULL"  # some files say 422 and are not
    stored, _ = get_decoder(syntax).as_array(data, index=0, validate=False, **options)
    return _moved_down(stored.astype(stored.dtype.newbyteorder("="), copy=False), header)


def _moved_down(stored: NDArray[Any], header: ImagePixel) -> NDArray[Any]:
    return stored >> header.lowest_bit if header.lowest_bit else stored


def _coloured(index: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """Look the colours up (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6); segmented palettes are not read.

    By hand: `pydicom.pixels.apply_color_lut` expands segmented palettes without a bound, reads big endian
    words the wrong way round, refuses 8-bit tables padded to even length and lets 16-bit indices wrap in
    8-bit tables (test_a_padded_palette…, test_an_index_above…).
    """
    channels = []
    for colour in ("Red", "Green", "Blue"):
        descriptor = numbers(dataset, f"{colour}PaletteColorLookupTableDescriptor")
        data = dataset.get(f"{colour}PaletteColorLookupTableData")
        if len(descriptor) != 3 or not isinstance(data, bytes):
            raise ImageError("the image refers to a colour palette that the DICOM file does not hold")
        entries, first, bits = (int(value) for value in descriptor)
        entries = entries or 65536
        first -= 65536 if index.dtype.kind == "i" and first >= 32768 else 0
        wide = len(data) >= 2 * entries
        table = np.frombuffer(
            data[: len(data) & ~1], ("<u2" if little_endian(dataset) else ">u2") if wide else "u1"
        )
        table = table[:entries].astype(np.uint16 if bits > 8 and wide else np.uint8)
        if not table.size:
            raise ImageError("the colour palette of the DICOM file is empty")
        channels.append(table[(index.astype(np.int64) - first).clip(0, table.size - 1)])
    if len({channel.dtype for channel in channels}) > 1:
        raise ImageError("the colour palette's channels have different depths")
    return np.stack(channels, axis=-1)
