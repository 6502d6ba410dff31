"""Compressed frames: cut out of encapsulated pixel data, and sized by their own headers, undecoded."""

import struct
import warnings
from typing import NamedTuple

from pydicom.encaps import get_frame

from gateway.imaging.errors import ImageError, WrongGeometry

_ITEM = b"\xfe\xff\x00\xe0"
_SOF = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}  # ISO 10918-1 table B.1; F7: ISO 14495-1
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})


class Codestream(NamedTuple):
    """What a compressed frame says of itself; 0 where it does not say."""

    rows: int
    columns: int
    samples: int
    bits: int
    start: int = 0
    """Offset in the frame: pydicom expects no padding and no boxes before it."""


def first_frame(pixel_data: bytes, number_of_frames: int) -> bytes:
    """Cut the first frame out of encapsulated pixel data (PS3.5 A.4)."""
    _require_whole_items(pixel_data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frame = get_frame(pixel_data, 0, number_of_frames=number_of_frames)
    except (ValueError, StopIteration, struct.error) as error:
        raise WrongGeometry("the frames of the compressed pixel data cannot be told apart") from error
    if not frame:
        raise WrongGeometry("the encapsulated pixel data holds no frame")
    return frame


def _require_whole_items(pixel_data: bytes) -> None:
    """Refuse an item that is cut short: pydicom would take half a film for a whole one."""
    at = 0
    while pixel_data[at : at + 4] == _ITEM and at + 8 <= len(pixel_data):
        at += 8 + int.from_bytes(pixel_data[at + 4 : at + 8], "little")
        if at > len(pixel_data):
            raise WrongGeometry("the compressed pixel data is cut off")


def jpeg(frame: bytes) -> Codestream:
    """Read the frame header of JPEG (ISO 10918-1 B.2.2) or JPEG-LS (ISO 14495-1 C.2.2)."""
    start = frame.find(b"\xff\xd8", 0, 64)
    at = start + 2
    if start < 0:
        raise ImageError("the pixel data is not the JPEG that its transfer syntax announces")
    try:
        while True:
            if frame[at] != 0xFF:
                raise ImageError("the JPEG header in the pixel data is damaged")
            marker = frame[at + 1]
            if marker in _SOF:
                if frame.rfind(b"\xff\xd9") < at:  # libjpeg would fill the rest with grey
                    raise ImageError("the JPEG in the pixel data is cut off")
                bits, rows, columns, samples = struct.unpack_from(">BHHB", frame, at + 4)
                return Codestream(rows, columns, samples, bits, start)
            if marker == 0xFF:
                at += 1
            elif marker in _STANDALONE:
                at += 2
            else:
                at += 2 + struct.unpack_from(">H", frame, at + 2)[0]
    except (IndexError, struct.error) as error:
        raise ImageError("the JPEG header in the pixel data is cut off") from error


def adobe_transform(frame: bytes) -> int | None:
    """Read how Adobe's APP14 says that a JPEG's colours are coded: 0 as RGB, else as YCbCr; None unsaid.

    It outranks the DICOM header (ISO 10918-6 6.5.3). A shorter segment, seen in the field, says nothing.
    """
    head = frame[: max(0, frame.find(b"\xff\xda"))]
    at = head.find(b"\xff\xee\x00\x0eAdobe")
    return head[at + 15] if 0 <= at < len(head) - 15 else None


def jpeg2000(frame: bytes) -> Codestream:
    """Read SIZ (ISO 15444-1 A.5.1); a JP2 box around the codestream is skipped."""
    at = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
    if at < 0:
        raise ImageError("the pixel data is not the JPEG 2000 that its transfer syntax announces")
    try:
        x1, y1, x0, y0 = struct.unpack_from(">4L", frame, at + 8)
        samples, depth = struct.unpack_from(">HB", frame, at + 40)
    except struct.error as error:
        raise ImageError("the JPEG 2000 header in the pixel data is cut off") from error
    return Codestream(y1 - y0, x1 - x0, samples, (depth & 0x7F) + 1, at)


def jpeg_xl(frame: bytes) -> Codestream:
    """Read SizeHeader (ISO 18181-1 D.2), bare or inside a jxlc or jxlp box."""
    at = 2
    if frame[:2] != b"\xff\x0a":
        at = frame.find(b"\xff\x0a", 0, 4096) + 2
        if at < 2:
            raise ImageError("the pixel data is not the JPEG XL that its transfer syntax announces")
    stream, taken = int.from_bytes(frame[at : at + 16], "little"), 0

    def bits(count: int) -> int:
        nonlocal taken
        taken += count
        return stream >> taken - count & (1 << count) - 1

    def size(small: int) -> int:
        return 8 * (bits(5) + 1) if small else bits((9, 13, 18, 30)[bits(2)]) + 1

    small = bits(1)
    rows = size(small)
    ratio = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[bits(3)]
    return Codestream(rows, rows * ratio[0] // ratio[1] if ratio[0] else size(small), 0, 0)


def rle(frame: bytes, rows: int, columns: int, samples: int, bits_allocated: int) -> Codestream:
    """Check the RLE header's segments (PS3.5 G.5) against the header; RLE states no size itself."""
    if len(frame) < 64:
        raise ImageError("the RLE header in the pixel data is cut off")
    count, *offsets = struct.unpack_from("<16L", frame)
    expected = samples * ((bits_allocated + 7) // 8)
    if count != expected:
        raise WrongGeometry(f"the RLE pixel data has {count} segments; the header asks for {expected}")
    used = offsets[:count]
    if used[0] < 64 or any(a >= b for a, b in zip(used, [*used[1:], len(frame)], strict=True)):
        raise ImageError("the RLE header in the pixel data is damaged")
    return Codestream(rows, columns, samples, 0)
