"""DICOM data elements out of hostile bytes: every walk is bounded in bytes, elements and depth."""

import logging
import struct
from collections.abc import Iterator
from typing import NamedTuple

import pydicom.config
from pydicom.charset import CODES_TO_ENCODINGS, default_encoding, handled_encodings, python_encoding
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

from gateway.imaging.errors import ImageError

# pydicom would warn about and log the values it meets in odd files; they are patient data.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

MAX_ELEMENTS = 20_000
"""A radiograph has some hundred; a walk costs some 5 µs each, and the gateway does it for every caller."""
MAX_DEPTH = 32
MAX_SEQUENCE_BYTES = 512 * 1024
"""A longer sequence is left out of the dataset: pydicom parses it unbounded when asked for it."""

PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LUT_SEQUENCES = frozenset({0x00283000, 0x00283010})
_VRS = frozenset(str(vr).encode() for vr in VR if len(vr) == 2)
_LONG_VRS = frozenset(str(vr).encode() for vr in EXPLICIT_VR_LENGTH_32)
_TEXT_VRS = frozenset({"PN", "LO", "SH", "UC", "LT", "ST", "UT"})
_CHARACTER_SET = 0x00080005


class Element(NamedTuple):
    """Where an element lies; nothing of its value."""

    tag: int
    vr: str
    """Two letters, or "" where the encoding does not say."""
    length: int
    """In bytes, or `UNDEFINED`."""
    start: int
    """Offset of the value."""


def cut_off() -> ImageError:
    """Say that the bytes end where an element should go on."""
    return ImageError("the DICOM file ends, or exceeds its limit, before its pixel data")


class Walker:
    """Walk the data elements in `data`, in one byte order.

    Explicit or implicit value representation is told by the first element of each data set, because
    writers are known to declare the wrong one, and to change it inside sequences (PS3.5 §6.2.2, §7.1).
    """

    def __init__(self, data: bytes | bytearray, little: bool) -> None:
        self.data = data
        self.little = little
        order = "<" if little else ">"
        self._tag = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "L")
        self._left = MAX_ELEMENTS

    def is_implicit(self, at: int, declared: bool) -> bool:
        """Tell the value representation from the element at an offset."""
        vr = bytes(self.data[at + 4 : at + 6])
        if vr in _VRS:
            return False
        return declared if vr.isalpha() and vr.isupper() else True

    def element(self, at: int, implicit: bool) -> Element:
        """Read the tag, VR and length at an offset (PS3.5 §7.1.2, §7.1.3)."""
        self._left -= 1
        if self._left < 0:
            raise ImageError(f"the DICOM header holds more than {MAX_ELEMENTS} elements")
        try:
            group, number = self._tag.unpack_from(self.data, at)
            tag = group << 16 | number
            vr = bytes(self.data[at + 4 : at + 6])
            if implicit or group == 0xFFFE or not vr.isalpha() or not vr.isupper():
                return Element(tag, "", self._long.unpack_from(self.data, at + 4)[0], at + 8)
            if vr in _LONG_VRS:
                return Element(tag, vr.decode(), self._long.unpack_from(self.data, at + 8)[0], at + 12)
            return Element(tag, vr.decode(), self._short.unpack_from(self.data, at + 6)[0], at + 8)
        except struct.error as error:
            raise cut_off() from error

    def end(self, element: Element, implicit: bool) -> int:
        """Give the offset behind an element's value, delimiters included."""
        if element.length == UNDEFINED:
            return self._end_of_undefined(element.start, implicit)
        end = element.start + element.length
        if end > len(self.data):
            raise cut_off()
        return end

    def _end_of_undefined(self, at: int, implicit: bool) -> int:
        """Skip items up to the delimiter, without recursion (PS3.5 §7.5)."""
        stack = [implicit]  # alternately: a sequence of items, a data set within an item
        while stack:
            element = self.element(at, stack[-1])
            at = element.start
            if element.tag in (_ITEM_END, _SEQUENCE_END):
                stack.pop()
            elif element.length != UNDEFINED:
                at = self.end(element, stack[-1])
            elif len(stack) > 2 * MAX_DEPTH:
                raise ImageError(f"DICOM sequences are nested more than {MAX_DEPTH} deep")
            else:
                stack.append(self.is_implicit(at, stack[-1]) if element.tag == _ITEM else stack[-1])
        return at

    def elements(
        self, at: int, stop: int, declared_implicit: bool, *, group: int | None = None
    ) -> Iterator[tuple[Element, int]]:
        """Give each element of one data set and the offset behind it.

        Pixel data ends the walk, and so does an element of another group than `group`, if given.
        """
        implicit = self.is_implicit(at, declared_implicit)
        while at < stop:
            element = self.element(at, implicit)
            if element.tag in PIXEL_TAGS:
                yield element, element.start
                return
            if element.tag == _ITEM_END or group not in (None, element.tag >> 16):
                return
            at = self.end(element, implicit)
            yield element, at


class Reading:
    """Turn walked elements into a pydicom dataset whose values are converted when asked for.

    Text is brought to UTF-8 on the way, so that undecodable bytes and unknown character sets neither
    warn nor fail later. Sequences larger than `MAX_SEQUENCE_BYTES` are left out; of the two lookup
    table sequences only the first item is read.

    By hand: `pydicom.filereader.read_dataset` reads the same from sound files, but warns about damaged
    ones and quotes them (headers are read in the gateway's threads, where warnings cannot be caught), and
    what is not UTF-8 it gives with replacement characters (test_the_patient_id_is_decoded_without_failing).
    """

    def __init__(self, walker: Walker, implicit: bool) -> None:
        self.walker = walker
        self.implicit = implicit
        self.encodings = [default_encoding]
        self.pixel_element: Element | None = None

    def dataset(self, at: int, stop: int) -> Dataset:
        """Read the data set between two offsets."""
        elements: dict[BaseTag, DataElement | RawDataElement] = {}
        for element, end in self.walker.elements(at, stop, self.implicit):
            if element.tag in PIXEL_TAGS:
                self.pixel_element = element
                break
            tag = BaseTag(element.tag)
            if element.tag in _LUT_SEQUENCES:
                elements[tag] = DataElement(tag, "SQ", Sequence(self._first_item(element, end)))
            elif (vr := _vr(element)) != "SQ" or end - element.start <= MAX_SEQUENCE_BYTES:
                elements[tag] = self._raw(element, vr, end)
        dataset = Dataset(elements)
        dataset.set_original_encoding(self.implicit, self.walker.little, ["UTF8"])
        return dataset

    def _raw(self, element: Element, vr: str, end: int) -> RawDataElement:
        value = bytes(self.walker.data[element.start : end])
        if element.tag == _CHARACTER_SET:
            self.encodings = encodings_of(value)
            value = b"ISO_IR 192"
        elif vr in _TEXT_VRS and (b"\x1b" in value or not value.isascii()):
            value = decode_text(value, self.encodings).encode()
        length = UNDEFINED if element.length == UNDEFINED else len(value)
        return RawDataElement(
            BaseTag(element.tag), vr, length, value, element.start, self.implicit, self.walker.little
        )

    def _first_item(self, sequence: Element, end: int) -> list[Dataset]:
        if sequence.start >= end:
            return []
        item = self.walker.element(sequence.start, self.implicit)
        if item.tag != _ITEM:
            return []
        stop = end if item.length == UNDEFINED else min(end, item.start + item.length)
        return [self.dataset(item.start, stop)]


def _vr(element: Element) -> str:
    """Give the VR, from the dictionary where the file does not say (PS3.5 §6.2.2)."""
    known = element.vr.encode() in _VRS and element.vr != "UN"
    if known or (element.tag >> 16) % 2:
        return element.vr if known else "UN"
    if not element.tag & 0xFFFF:
        return "UL"  # group length
    if dictionary_has_tag(element.tag):
        return dictionary_VR(element.tag)
    return "SQ" if element.length == UNDEFINED else "UN"


def encodings_of(character_set: bytes) -> list[str]:
    """Give Python's names for Specific Character Set (0008,0005); unknown ones become Latin-1."""
    terms = [term.strip() for term in character_set.decode("latin-1").strip("\0 ").split("\\")]
    return [python_encoding.get(term, default_encoding) for term in terms]


def decode_text(value: bytes, encodings: list[str]) -> str:
    """Decode text with code extensions (PS3.5 §6.1.2.5); what cannot be decoded is read as Latin-1.

    Parameters
    ----------
    value
        Bytes of the whole element, before it is split at backslashes.
    encodings
        Python codecs; the first holds at the start and after each delimiter.
    """
    parts = value.split(b"\x1b")
    text = [_decode(parts[0], encodings[0])]
    for part in parts[1:]:
        size = 3 if part[:2] in (b"$(", b"$)") else 2
        encoding = CODES_TO_ENCODINGS.get(b"\x1b" + part[:size])
        if encoding is None:  # not DICOM's: part of the text, for two patients' IDs may differ by it alone
            text.append(_decode(b"\x1b" + part, encodings[0]))
            continue
        if encoding in handled_encodings:
            text.append(_decode(b"\x1b" + part, encoding))
            continue
        run = part[size:]
        cut = min(
            (at for d in (b"\\", b"^", b"=", b"\n", b"\r") if (at := run.find(d)) >= 0), default=len(run)
        )
        text.append(_decode(run[:cut], encoding) + _decode(run[cut:], encodings[0]))
    return "".join(text)


def _decode(value: bytes, encoding: str) -> str:
    try:
        return value.decode(encoding)
    except (UnicodeError, LookupError):
        return value.decode("latin-1")
