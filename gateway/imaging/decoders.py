"""Pixel data to stored values: one decoder per transfer syntax, out of imagecodecs."""

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import imagecodecs  # imports each codec only when it is first used
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.imaging import codestreams
from gateway.imaging.codestreams import Codestream
from gateway.imaging.colour import palette_to_rgb, ybr_to_rgb
from gateway.imaging.errors import ImageError, UnsupportedTransferSyntax, WrongGeometry

_UID = "1.2.840.10008.1.2"
_BIG_ENDIAN = f"{_UID}.2"
_NATIVE = frozenset({_UID, f"{_UID}.1", f"{_UID}.1.99", _BIG_ENDIAN})
_CODEC_FAULTS = (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, zlib.error)
_YBR = frozenset({"YBR_FULL", "YBR_FULL_422"})


class Header(NamedTuple):
    """The Image Pixel module (PS3.3 C.7.6.3), complete after `read_image`."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    planar: bool
    photometric: str
    frames: int

    @property
    def bits(self) -> int:
        """Bits of one frame of native pixel data (YBR_FULL_422: two samples per pixel)."""
        samples = 2 if self.photometric == "YBR_FULL_422" and self.samples == 3 else self.samples
        return self.rows * self.columns * samples * self.bits_allocated


def header_of(dataset: Dataset) -> Header:
    """Collect what decoding needs to know."""
    return Header(
        int(dataset.Rows),
        int(dataset.Columns),
        int(dataset.SamplesPerPixel),
        int(dataset.BitsAllocated),
        int(dataset.BitsStored),
        int(dataset.HighBit),
        dataset.PixelRepresentation == 1,
        dataset.PlanarConfiguration == 1,
        str(dataset.PhotometricInterpretation),
        int(dataset.NumberOfFrames),
    )


def is_native(uid: str) -> bool:
    """Tell transfer syntaxes without compression of the pixel data."""
    return uid in _NATIVE


def frame_bytes(dataset: Dataset) -> int:
    """Give the bytes of one native frame with all its samples, padded to even length."""
    header = header_of(dataset)
    bits = header.rows * header.columns * header.samples * header.bits_allocated
    return 2 * -(-bits // 16)


def check(dataset: Dataset) -> None:
    """Compare header and pixel data without decoding.

    Raises
    ------
    UnsupportedTransferSyntax
        No decoder for this transfer syntax.
    WrongGeometry
        The pixel data is too short, or its codestream has another size than the header says.
    """
    header, uid = header_of(dataset), str(dataset.file_meta.TransferSyntaxUID)
    if _native(dataset, uid):
        if 8 * len(dataset.PixelData) < header.bits:
            raise WrongGeometry(
                f"the pixel data has {len(dataset.PixelData)} bytes; one frame needs {-(-header.bits // 8)}"
            )
        return
    _codestream(codestreams.first_frame(dataset.PixelData, header.frames), uid, header)


def decode(dataset: Dataset) -> NDArray[Any]:
    """Decode the first frame; see `gateway.imaging.dicom.stored_values`."""
    header, uid = header_of(dataset), str(dataset.file_meta.TransferSyntaxUID)
    try:
        stored = _stored(*_raw(dataset, header, uid))
    except ImageError:
        raise
    except _CODEC_FAULTS as error:
        raise ImageError("the pixel data cannot be decoded") from error
    if header.photometric == "PALETTE COLOR":
        return palette_to_rgb(stored, dataset)
    coded_as_ybr = header.photometric in _YBR and header.samples == 3 and uid not in _RGB_FROM_CODEC
    return ybr_to_rgb(stored, header.bits_stored) if coded_as_ybr else stored


def _raw(dataset: Dataset, header: Header, uid: str) -> tuple[NDArray[Any], Header, int]:
    """Decode; also give the header and the codestream's bits, 0 where only the header knows."""
    if _native(dataset, uid):
        words_swapped = uid == _BIG_ENDIAN and dataset["PixelData"].VR == "OW"
        return _native_frame(dataset.PixelData, header, uid != _BIG_ENDIAN, words_swapped), header, 0
    frame = codestreams.first_frame(dataset.PixelData, header.frames)
    codestream = _codestream(frame, uid, header)
    raw = _CODECS[uid].decode(frame, header)
    if raw.shape != ((header.rows, header.columns, 3)[: 2 if header.samples == 1 else 3]):
        raise WrongGeometry("the decoded pixel data has another size than the header says")
    return raw, header, codestream.bits


def _native(dataset: Dataset, uid: str) -> bool:
    """Tell native from encapsulated pixel data: by its first item where the transfer syntax misleads."""
    if uid not in _NATIVE and uid not in _CODECS:
        raise UnsupportedTransferSyntax(f"no decoder for the transfer syntax {uid[:64]}")
    encapsulated = dataset.PixelData[:4] == b"\xfe\xff\x00\xe0"
    if uid in _NATIVE and encapsulated and dataset["PixelData"].is_undefined_length:
        raise UnsupportedTransferSyntax(
            f"the pixel data is compressed, but the transfer syntax is {uid[:64]}"
        )
    return uid in _NATIVE or not encapsulated


def _codestream(frame: bytes, uid: str, header: Header) -> Codestream:
    """Read the codestream's own header; it must not contradict the DICOM header."""
    codestream = _CODECS[uid].size(frame, header)
    size = (codestream.rows, codestream.columns)
    if size != (header.rows, header.columns) or codestream.samples not in (0, header.samples):
        raise WrongGeometry(
            f"the header says {header.rows} rows by {header.columns} columns of {header.samples} samples, "
            f"the compressed pixel data {codestream.rows} by {codestream.columns} of {codestream.samples}"
        )
    return codestream


def _native_frame(data: bytes, header: Header, little: bool, words_swapped: bool = False) -> NDArray[Any]:
    """Shape the first frame of native pixel data (PS3.5 §8.1.1, PS3.3 C.7.6.3.1.3)."""
    pixels, allocated = header.rows * header.columns, header.bits_allocated
    if allocated == 1:
        bits = np.unpackbits(np.frombuffer(data, np.uint8, -(-pixels // 8)), bitorder="little")
        return bits[:pixels].reshape(header.rows, header.columns)
    flat = np.frombuffer(data, f"{'<' if little else '>'}u{allocated // 8}")
    if words_swapped and allocated == 8:
        flat = np.frombuffer(data[: len(data) & ~1], np.uint16).byteswap().view(np.uint8)
    subsampled = header.photometric == "YBR_FULL_422" and header.samples == 3
    if subsampled and (flat.size < 3 * pixels or header.frames > 1):  # some files say 422 and are not
        pairs = flat[: 2 * pixels].reshape(-1, 4)  # Y1 Y2 Cb Cr
        chroma = np.repeat(pairs[:, 2:], 2, axis=0)
        ybr: NDArray[Any] = np.concatenate([pairs[:, :2].reshape(-1, 1), chroma], axis=1)
        return ybr.reshape(header.rows, header.columns, 3)
    frame = flat[: pixels * header.samples]
    if header.samples == 1:
        return frame.reshape(header.rows, header.columns)
    if header.planar:
        return frame.reshape(header.samples, header.rows, header.columns).transpose(1, 2, 0)
    return frame.reshape(header.rows, header.columns, header.samples)


def _stored(raw: NDArray[Any], header: Header, precision: int) -> NDArray[Any]:
    """Keep the bits of the stored value and extend its sign as Pixel Representation says (PS3.5 §8.1.1).

    Codestreams put the value in their lowest bits and often have no sign, or the wrong one: the bits
    count, the header interprets. Without `precision` (native, RLE) High Bit says where the value lies.
    """
    width, signed = 8 * raw.dtype.itemsize, header.signed and header.samples == 1
    bits = min(header.bits_stored, width)
    shift = 0 if precision else max(0, min(header.high_bit, width - 1) + 1 - bits)
    if 0 < precision < bits or precision > header.bits_allocated:
        bits = min(precision, width)
    unsigned = np.ascontiguousarray(raw.view(raw.dtype.str.replace("i", "u")), f"=u{raw.dtype.itemsize}")
    if bits == width:
        return unsigned.view(f"=i{raw.dtype.itemsize}") if signed else unsigned
    aligned: NDArray[Any] = unsigned << unsigned.dtype.type(width - bits - shift)
    aligned = aligned.view(f"=i{raw.dtype.itemsize}") if signed else aligned
    np.right_shift(aligned, aligned.dtype.type(width - bits), out=aligned)
    return aligned


def _jpeg(frame: bytes, header: Header) -> NDArray[Any]:
    if header.samples == 1:
        return imagecodecs.jpeg8_decode(frame)
    space = codestreams.jpeg_colorspace(frame, header.photometric)
    return imagecodecs.jpeg8_decode(frame, colorspace=space, outcolorspace="RGB")


def _jpeg_lossless(frame: bytes, header: Header) -> NDArray[Any]:
    if header.samples == 1:
        return imagecodecs.jpeg8_decode(frame)
    return imagecodecs.jpeg8_decode(frame, colorspace="RGB", outcolorspace="RGB")


def _rle(frame: bytes, header: Header) -> NDArray[Any]:
    """Unpack byte planes, most significant first, sample after sample (PS3.5 annex G)."""
    pixels, planes = header.rows * header.columns, header.bits_allocated // 8
    words = np.empty((header.samples, pixels, planes), np.uint8)
    packed = codestreams.rle_segments(frame)
    for sample in range(header.samples):
        for plane in reversed(range(planes)):
            # Room for the run that some encoders pad a segment with.
            plain = imagecodecs.packbits_decode(next(packed), out=bytearray(pixels + 128))
            words[sample, :, plane] = np.frombuffer(plain, np.uint8, pixels)
    image = words.view(f"<u{planes}").reshape(header.samples, header.rows, header.columns)
    return image[0] if header.samples == 1 else image.transpose(1, 2, 0)


def _deflated(frame: bytes, header: Header) -> NDArray[Any]:
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(frame, -(-header.bits // 8))
    return _native_frame(inflated, header, little=True)


class _Codec(NamedTuple):
    size: Callable[[bytes, Header], Codestream]
    decode: Callable[[bytes, Header], NDArray[Any]]


def _native_size(frame: bytes, header: Header) -> Codestream:
    return Codestream(header.rows, header.columns, header.samples, 0)


_JPEG = _Codec(lambda frame, _: codestreams.jpeg(frame), _jpeg)
_LOSSLESS = _Codec(lambda frame, _: codestreams.jpeg(frame), _jpeg_lossless)
_JPEG_LS = _Codec(lambda frame, _: codestreams.jpeg(frame), lambda frame, _: imagecodecs.jpegls_decode(frame))
_JPEG_2000 = _Codec(
    lambda frame, _: codestreams.jpeg2000(frame),
    lambda frame, _: imagecodecs.jpeg2k_decode(frame, numthreads=1),
)
_JPEG_XL = _Codec(
    lambda frame, _: codestreams.jpeg_xl(frame),
    lambda frame, _: imagecodecs.jpegxl_decode(frame, numthreads=1),
)
_RLE = _Codec(lambda frame, h: codestreams.rle(frame, h.rows, h.columns, h.samples, h.bits_allocated), _rle)

_CODECS = {
    **dict.fromkeys((f"{_UID}.4.50", f"{_UID}.4.51"), _JPEG),
    **dict.fromkeys((f"{_UID}.4.57", f"{_UID}.4.70"), _LOSSLESS),
    **dict.fromkeys((f"{_UID}.4.80", f"{_UID}.4.81"), _JPEG_LS),
    **dict.fromkeys((f"{_UID}.4.90", f"{_UID}.4.91"), _JPEG_2000),
    **dict.fromkeys((f"{_UID}.4.201", f"{_UID}.4.202", f"{_UID}.4.203"), _JPEG_2000),
    **dict.fromkeys((f"{_UID}.4.110", f"{_UID}.4.111", f"{_UID}.4.112"), _JPEG_XL),
    f"{_UID}.5": _RLE,
    f"{_UID}.8.1": _Codec(_native_size, _deflated),
}
_RGB_FROM_CODEC = frozenset(
    {f"{_UID}.4.50", f"{_UID}.4.51", f"{_UID}.4.110", f"{_UID}.4.111", f"{_UID}.4.112"}
)
