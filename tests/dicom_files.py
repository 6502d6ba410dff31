"""Small synthetic DICOM files, sound and hostile, built in memory."""

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import UID

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
JPEG_XL = "1.2.840.10008.1.2.4.110"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
LOSSLESS = (
    EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED, RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000, JPEG_XL, DEFLATED_FRAME,
)  # fmt: skip

SHARED = Path(__file__).parents[1].parent / "shared" / "data"
TEST_FILES = sorted(
    path
    for path in (Path(pydicom.__file__).parent / "data" / "test_files").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".py"
)


def chest_header(**attributes: object) -> Dataset:
    """Give a complete header of a fictitious chest film; None takes an attribute away."""
    header = Dataset()
    values: dict[str, object] = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1",
        "SOPInstanceUID": "1.2.3.4",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.1",
        "PatientID": "PAT001",
        "PatientName": "Doe^John",
        "PatientSex": "M",
        "PatientAge": "045Y",
        "StudyDate": "20240229",
        "Modality": "CR",
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelRepresentation": 0,
        **attributes,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(header, keyword, value)
    return header


def dicom_file(pixels: np.ndarray, syntax: str = EXPLICIT, **attributes: object) -> bytes:
    """Write pixels, (rows, columns) or (rows, columns, 3), as a Part 10 file; attributes go last."""
    bits = 8 * pixels.dtype.itemsize
    layout = {
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 3 if pixels.ndim == 3 else 1,
        "BitsAllocated": bits,
        "BitsStored": bits,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }
    if pixels.ndim == 3:
        layout |= {"PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"}
    merged = layout | attributes
    if merged["BitsStored"] is not None:
        merged.setdefault("HighBit", merged["BitsStored"] - 1)
    header = chest_header(**merged)
    native = UID(syntax) in (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED)
    header.PixelData = native_bytes(pixels, syntax) if native else encapsulate([encoded(pixels, syntax)])
    header["PixelData"].VR = "OB" if not native else "OW"
    header["PixelData"].is_undefined_length = not native
    return written(header, syntax)


def written(header: Dataset, syntax: str) -> bytes:
    """Write a dataset as a Part 10 file."""
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = UID(syntax)
    header.file_meta.MediaStorageSOPClassUID = header.get("SOPClassUID", "1.2.840.10008.5.1.4.1.1.1")
    header.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    target = io.BytesIO()
    known = syntax not in (DEFLATED_FRAME, JPEG_XL)  # to pydicom 3.0
    header.preamble = bytes(128)
    pydicom.dcmwrite(
        target,
        header,
        implicit_vr=syntax == IMPLICIT,
        little_endian=syntax != BIG_ENDIAN,
        force_encoding=not known,
        enforce_file_format=known,
    )
    return target.getvalue()


def native_bytes(pixels: np.ndarray, syntax: str) -> bytes:
    """Give the value of native pixel data, padded to even length."""
    data = pixels.astype(pixels.dtype.newbyteorder(">" if syntax == BIG_ENDIAN else "<")).tobytes()
    data += b"\0" * (len(data) % 2)
    if syntax == BIG_ENDIAN and pixels.dtype.itemsize == 1:
        return np.frombuffer(data, np.uint16).byteswap().tobytes()
    return data


def encoded(pixels: np.ndarray, syntax: str) -> bytes:
    """Compress one frame."""
    unsigned = np.ascontiguousarray(pixels).view(f"u{pixels.dtype.itemsize}")
    bits = 8 * pixels.dtype.itemsize
    if syntax == RLE:
        encoder = get_encoder(UID(RLE))
        return encoder.encode(
            pixels, rows=pixels.shape[0], columns=pixels.shape[1], number_of_frames=1,
            samples_per_pixel=3 if pixels.ndim == 3 else 1, bits_allocated=bits, bits_stored=bits,
            pixel_representation=int(pixels.dtype.kind == "i"), planar_configuration=0,
            photometric_interpretation="RGB" if pixels.ndim == 3 else "MONOCHROME2",
            encoding_plugin="pydicom",
        )  # fmt: skip
    if syntax == JPEG_LOSSLESS:
        return imagecodecs.jpeg8_encode(unsigned, lossless=True, predictor=1, bitspersample=bits)
    if syntax == JPEG_LS:
        return imagecodecs.jpegls_encode(unsigned)
    if syntax == JPEG_2000:
        return imagecodecs.jpeg2k_encode(unsigned, codecformat="J2K", reversible=True)
    if syntax == JPEG_XL:
        return imagecodecs.jpegxl_encode(unsigned, lossless=True)
    if syntax == DEFLATED_FRAME:
        deflater = zlib.compressobj(wbits=-15)
        return deflater.compress(pixels.tobytes()) + deflater.flush()
    return imagecodecs.jpeg8_encode(pixels, 100)


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    """Write one explicit little endian element by hand."""
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
        return struct.pack("<HH2sHL", group, number, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def with_element(file: bytes, raw: bytes) -> bytes:
    """Put a hand-written element between file meta and data set of an explicit little endian file."""
    (length,) = struct.unpack_from("<L", file, 140)
    start = 144 + length
    return file[:start] + raw + file[start:]


def deflate_bomb(inflated_bytes: int = 400 * 2**20) -> bytes:
    """Give a file whose deflated data set is one enormous private element before the pixel data."""
    small = dicom_file(np.zeros((4, 4), np.uint8), DEFLATED)
    (length,) = struct.unpack_from("<L", small, 140)
    deflater = zlib.compressobj(9, wbits=-15)
    parts = [deflater.compress(struct.pack("<HH2sHL", 9, 0x1001, b"OB", 0, inflated_bytes))]
    parts += [deflater.compress(bytes(2**20)) for _ in range(inflated_bytes >> 20)]
    return small[: 144 + length] + b"".join(parts) + deflater.flush()


def deflated_pixels_bomb(inflated_bytes: int = 400 * 2**20) -> bytes:
    """Give a deflated file with a sound header and far more pixel data than it announces."""
    small = dicom_file(np.zeros((4, 4), np.uint8), EXPLICIT)
    (length,) = struct.unpack_from("<L", small, 140)
    body = small[144 + length : -24] + struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OW", 0, inflated_bytes)
    deflater = zlib.compressobj(9, wbits=-15)
    parts = [deflater.compress(body)] + [deflater.compress(bytes(2**20)) for _ in range(inflated_bytes >> 20)]
    meta = small[: 144 + length].replace(
        b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI\x16\x001.2.840.10008.1.2.1.99"
    )
    meta = meta[:140] + struct.pack("<L", length + 2) + meta[144:]
    return meta + b"".join(parts) + deflater.flush()


def nested_sequences(depth: int = 10_000) -> bytes:
    """Give a file with sequences of undefined length, nested that deep."""
    down = struct.pack("<HH2sHL", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    up = struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return with_element(dicom_file(np.zeros((4, 4), np.uint8)), down * depth + up * depth)


def many_items(count: int = 2_000_000) -> bytes:
    """Give a file with one sequence of that many empty items."""
    items = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * count
    return with_element(dicom_file(np.zeros((4, 4), np.uint8)), element(8, 0x1140, b"SQ", items))


def many_open_items(count: int = 1_900_000) -> bytes:
    """Give the same with a sequence of undefined length, which has to be walked."""
    start = struct.pack("<HH2sHL", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    items = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * count
    raw = start + items + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    return with_element(dicom_file(np.zeros((4, 4), np.uint8)), raw)


def many_elements(count: int = 1_500_000) -> bytes:
    """Give a file with that many empty private elements of different tags."""
    tags = np.arange(count)
    raw = np.zeros(count, np.dtype([("group", "<u2"), ("number", "<u2"), ("vr", "S2"), ("length", "<u2")]))
    raw["group"], raw["number"], raw["vr"] = 9 + 2 * (tags >> 16), tags & 0xFFFF, b"LO"
    return with_element(dicom_file(np.zeros((4, 4), np.uint8)), raw.tobytes())


def huge_header() -> bytes:
    """Give a file that announces 65535 by 65535 pixels and holds sixteen."""
    return dicom_file(np.zeros((4, 4), np.uint8), Rows=65535, Columns=65535)


def lying_codestream(rows: int = 65535, columns: int = 65535) -> bytes:
    """Give a JPEG 2000 film whose codestream announces other dimensions than the header."""
    file = dicom_file(np.zeros((64, 64), np.uint8), JPEG_2000)
    at = file.index(b"\xff\x4f\xff\x51") + 8
    return file[:at] + struct.pack(">LL", columns, rows) + file[at + 8 :]


def film(rows: int = 24, columns: int = 20) -> np.ndarray:
    """Give a 12-bit gradient with a bright block, uint16."""
    pixels = np.add.outer(np.arange(rows) * 97, np.arange(columns) * 41).astype(np.uint16) % 4096
    pixels[4:8, 4:8] = 4095
    return pixels
