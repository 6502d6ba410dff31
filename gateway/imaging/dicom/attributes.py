"""DICOM attributes as text and numbers, whatever was written into them."""

from math import isfinite

import numpy as np
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException

VALUE_FAULTS = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    OSError,
    BytesLengthException,
)
"""What pydicom raises where a value is not what its VR says."""


def text(dataset: Dataset, keyword: str) -> str:
    """Give a text attribute as one string, values joined by backslashes as in the file.

    Trailing spaces and NULs are padding (PS3.5 §6.2) and go; "" if absent, blank or unreadable.
    """
    try:
        element = dataset.get_item(keyword)
        value = element.value if element is not None else None
        if isinstance(element, RawDataElement):
            value = (element.value or b"").decode("utf-8", "replace")
        elif value is None or isinstance(value, str) or not hasattr(value, "__iter__"):
            value = "" if value is None else str(value)
        else:
            value = "\\".join(str(each) for each in value)
    except VALUE_FAULTS:
        return ""
    return value.rstrip("\0 ") if value.strip("\0 \t\r\n") else ""


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """Give a numeric attribute's values; [] if absent, unreadable or not finite throughout."""
    try:
        value = dataset.get(keyword)
        if isinstance(value, bytes):
            value = np.frombuffer(value, "<u2" if little_endian(dataset) else ">u2")
        if value is None or isinstance(value, str) or not hasattr(value, "__iter__"):
            value = [] if value in (None, "") else [value]
        values = [float(each) for each in value]
    except VALUE_FAULTS:
        return []
    return values if all(isfinite(each) for each in values) else []


def little_endian(dataset: Dataset) -> bool:
    """Tell the byte order of the words that pydicom leaves as bytes."""
    return dataset.original_encoding[1] is not False
