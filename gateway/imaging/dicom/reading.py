"""A DICOM file's header, or the whole of it, within bounds on memory and time."""

import zlib
from typing import NamedTuple

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID

from gateway.imaging.dicom import decoding, image_pixel
from gateway.imaging.dicom.attributes import text
from gateway.imaging.dicom.elements import UNDEFINED, Element, Reading, Walker
from gateway.imaging.dicom.image_pixel import ImagePixel
from gateway.imaging.errors import ImageError, MissingAttribute, WrongContent

MAX_FILE_BYTES = 512 * 2**20
MAX_HEADER_BYTES = 16 * 2**20
"""Everything before the pixel data."""
MAX_INFLATED_BYTES = 128 * 2**20
"""A deflated data set, inflated."""

_DEFLATED = "1.2.840.10008.1.2.1.99"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_IMPLICIT = "1.2.840.10008.1.2"
_EXPLICIT = "1.2.840.10008.1.2.1"
_DICOMDIR = "1.2.840.10008.1.3.10"


def read_header(data: bytes) -> Dataset:
    """Read everything before the pixel data.

    Parameters
    ----------
    data
        The file, or its first `MAX_HEADER_BYTES`: bytes behind the start of the pixel data are not
        looked at.

    Returns
    -------
    pydicom dataset with `file_meta.TransferSyntaxUID`, text in UTF-8, no pixel data; sequences longer
    than `elements.MAX_SEQUENCE_BYTES` are left out.

    Raises
    ------
    MissingAttribute
        The file holds no pixel data (reports, plans, waveforms), or has neither preamble nor the
        attributes of an image.
    WrongContent
        A DICOMDIR.
    ImageError
        Not DICOM, cut off inside the header, or beyond a limit.

    References
    ----------
    DICOM PS3.10 §7.1, PS3.5 §7, A.5.
    """
    return _read(data, MAX_HEADER_BYTES)[0]


def read_instance(data: bytes) -> Dataset:
    """Read any instance's data set up to its pixel data, if it has any (reports and waveforms have none).

    Parameters
    ----------
    data
        A Part 10 file, or its first `MAX_HEADER_BYTES` at least if it holds pixel data.

    Returns
    -------
    pydicom dataset as `read_header` gives it, with all of `file_meta`.

    Raises
    ------
    ImageError
        No Part 10 file, cut off before its pixel data or its end, or beyond a limit.
    """
    if data[128:132] != b"DICM":
        raise ImageError("not a DICOM file: the prefix DICM was not found")
    return _open(data, MAX_HEADER_BYTES).dataset


def read_image(data: bytes) -> Dataset:
    """Read a whole file and check it as far as possible before anything is decoded.

    Returns
    -------
    `read_header`'s dataset with PixelData (native: of the first frame), and with defaults for what may be
    absent: SamplesPerPixel 1,
    PhotometricInterpretation MONOCHROME2 (RGB with three samples), BitsStored = BitsAllocated,
    HighBit = BitsStored − 1, PixelRepresentation 0, PlanarConfiguration 0, NumberOfFrames 1.

    Raises
    ------
    MissingAttribute, WrongGeometry, UnsupportedTransferSyntax, ImageError
    """
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(f"the file has {len(data)} bytes; at most {MAX_FILE_BYTES} are read")
    dataset, source, element = _read(data, MAX_INFLATED_BYTES)
    image_pixel.complete(dataset)
    stop = len(source) if element.length == UNDEFINED else element.start + element.length
    if decoding.is_native(str(dataset.file_meta.TransferSyntaxUID)):
        stop = min(stop, element.start + ImagePixel.of(dataset).frame_bytes)
    dataset.add_new(0x7FE00010, "OB" if element.vr == "OB" else "OW", bytes(source[element.start : stop]))
    dataset["PixelData"].is_undefined_length = element.length == UNDEFINED
    decoding.check(dataset)
    return dataset


def read_patient_id(header: Dataset) -> str:
    """Give Patient ID (0010,0020) as the file has it, less trailing padding; "" if there is none.

    A backslash, which separates values in DICOM, is kept, and so are NULs and line ends inside.
    """
    return text(header, "PatientID")


def _read(data: bytes, max_inflated: int) -> tuple[Dataset, bytes | bytearray, Element]:
    """Read the header; also give the (inflated) bytes and where the pixel data lies in them."""
    opened = _open(data, max_inflated)
    dataset, element = opened.dataset, opened.pixel_element
    if text(dataset.file_meta, "MediaStorageSOPClassUID") == _DICOMDIR:
        raise WrongContent("expected an image; this is a DICOMDIR")
    if element is None or element.tag != 0x7FE00010:
        raise MissingAttribute("the DICOM file holds no PixelData (7FE0,0010)")
    if data[128:132] != b"DICM":
        _require(dataset, "SOPClassUID", "Rows", "Columns")
    return dataset, opened.source, element


class _Opened(NamedTuple):
    dataset: Dataset
    source: bytes | bytearray
    """The file, or its data set inflated."""
    pixel_element: Element | None


def _open(data: bytes, max_inflated: int) -> _Opened:
    """Read everything before the pixel data, or to the end where there is none."""
    meta, at = _file_meta(data)
    syntax = text(meta, "TransferSyntaxUID")
    source: bytes | bytearray = data
    if syntax == _DEFLATED:
        source, at = _inflate(data, at, max_inflated), 0
    little, implicit = _byte_order(source, at, syntax)
    reading = Reading(Walker(source, little), implicit)
    dataset = reading.dataset(at, len(source))
    element = reading.pixel_element
    if element and element.start - at > MAX_HEADER_BYTES:
        raise ImageError(f"more than {MAX_HEADER_BYTES} bytes lie before the pixel data")
    guessed = _IMPLICIT if implicit else _EXPLICIT if little else _BIG_ENDIAN
    meta.TransferSyntaxUID = UID(syntax or guessed)
    dataset.file_meta = meta
    return _Opened(dataset, source, element)


def _file_meta(data: bytes) -> tuple[FileMetaDataset, int]:
    """Read group 2; also give the offset of the data set (0 for a bare data set without preamble)."""
    if data[128:132] == b"DICM":
        at = 132
    elif len(data) >= 8 and data[:4] in (b"\x02\0\0\0", b"\x02\0\x01\0", b"\x02\0\x02\0"):
        at = 0
    elif len(data) >= 8 and (data[:2] == b"\x08\0" or data[:2] == b"\0\x08"):
        return FileMetaDataset(), 0
    else:
        raise ImageError(
            "not a DICOM file: neither the prefix DICM nor a data element of group 0008 was found"
        )
    walker = Walker(data, little=True)
    end = at
    for _, after in walker.elements(at, len(data), False, group=2):
        end = after
    return FileMetaDataset(Reading(walker, False).dataset(at, end)), end


def _byte_order(source: bytes | bytearray, at: int, syntax: str) -> tuple[bool, bool]:
    """Give (little endian, implicit VR): as declared, or by the first element's group and VR."""
    little = syntax != _BIG_ENDIAN
    if not syntax and int.from_bytes(source[at : at + 2], "little") >= 0x0400:
        little = False  # group 0008 in big endian reads as 0x0800
    return little, Walker(source, little).is_implicit(at, syntax in ("", _IMPLICIT))


def _inflate(data: bytes, at: int, limit: int) -> bytearray:
    """Inflate a data set (PS3.5 A.5), never more than `limit` bytes of it."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = bytearray()
    try:
        for start in range(at, len(data), 2**16):
            pending = data[start : start + 2**16]
            while pending and len(inflated) < limit:
                inflated += inflater.decompress(pending, min(2**20, limit - len(inflated)))
                pending = inflater.unconsumed_tail
            if inflater.eof or len(inflated) >= limit:
                break
    except zlib.error as error:
        raise ImageError("the deflated DICOM data set cannot be inflated") from error
    return inflated


def _require(dataset: Dataset, *keywords: str) -> None:
    for keyword in keywords:
        if keyword not in dataset:
            raise MissingAttribute(f"the DICOM attribute {keyword} {Tag(keyword)} is missing")
