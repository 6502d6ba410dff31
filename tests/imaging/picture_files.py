"""JPEG and PNG files of every kind, built here where no encoder writes them."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row and column, step of rows and columns of each pass."""


def jpeg(pixels: np.ndarray, *, quality: int = 95, mode: str | None = None, **options) -> bytes:
    """Write uint8 (rows, columns[, 3]), RGB."""
    target = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(target, "JPEG", quality=quality, **options)
    return target.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header_chunk(width: int, height: int, bits: int = 8, colour: int = 0, interlaced: bool = False) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced))


def png(
    samples: np.ndarray,
    *,
    bits: int = 8,
    colour: int = 0,
    palette: bytes = b"",
    transparency: bytes = b"",
    before: bytes = b"",
    interlaced: bool = False,
    stream: bytes | None = None,
) -> bytes:
    """Write samples, (rows, columns) or (rows, columns, channels), unfiltered.

    `before` are chunks to put in front of the pixels; `stream` replaces the compressed pixels.
    """
    rows, columns = samples.shape[:2]
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    parts = (samples[y::dy, x::dx] for y, x, dy, dx in passes)
    raw = b"".join(b"\0" + _packed(line, bits) for part in parts if part.size for line in part)
    return b"".join(
        (
            PNG,
            header_chunk(columns, rows, bits, colour, interlaced),
            before,
            chunk(b"PLTE", palette) if palette else b"",
            chunk(b"tRNS", transparency) if transparency else b"",
            chunk(b"IDAT", zlib.compress(raw) if stream is None else stream),
            chunk(b"IEND", b""),
        )
    )


def _packed(line: np.ndarray, bits: int) -> bytes:
    if bits == 16:
        return line.astype(">u2").tobytes()
    if bits == 8:
        return line.astype(np.uint8).tobytes()
    each = np.unpackbits(line.astype(np.uint8).reshape(-1, 1), axis=1)[:, 8 - bits :]
    return np.packbits(each.ravel()).tobytes()


def tiff(orientation: int = 1, focal_35mm: int | None = None, order: str = ">") -> bytes:
    """EXIF data with an orientation and a focal length."""
    entries = [struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)]
    inner = b""
    if focal_35mm is not None:
        entries.append(struct.pack(f"{order}HHII", 0x8769, 4, 1, 8 + 2 + 2 * 12 + 4))
        inner = struct.pack(f"{order}H", 1) + struct.pack(f"{order}HHIHH", 0xA405, 3, 1, focal_35mm, 0)
        inner += struct.pack(f"{order}I", 0)
    mark = b"MM\0*" if order == ">" else b"II*\0"
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + struct.pack(f"{order}I", 0)
    return mark + struct.pack(f"{order}I", 8) + directory + inner
