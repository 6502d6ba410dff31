"""Base64 of a request's fields to the pictures' own bytes."""

import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

import pybase64

from gateway.errors import InvalidRequest, PayloadTooLarge
from gateway.web.json_body import LongString

MAX_IMAGE_BYTES = 10 * 2**20
TOO_LARGE = "Image exceeds maximum size of 10MB"

_MAX_TEXT_BYTES = 2 * MAX_IMAGE_BYTES
"""A third more than the picture is base64; the rest is for line breaks and escapes."""
_DATA_URI = re.compile(rb"[ \t\r\n]*data:image/[\w.+-]+;base64,", re.IGNORECASE)
_DATA_URI_BYTES = 200
_SLICE_BYTES = 2**16
_ESCAPE_BYTES = 6
"""As long as \\u002b is, which is how some libraries write a plus."""

Bytes = bytes | memoryview


def decode(name: str, value: Any, body: bytearray) -> Bytes:
    """Decode one picture.

    Parameters
    ----------
    name
        Names the field in messages.
    value
        The field's value: text, or a LongString of the body.
    body
        The request's body. A long string's place in it is taken by what it decodes to, so that a picture
        takes its memory once.

    Returns
    -------
    The picture's bytes; those of a long string are a view into the body.

    Raises
    ------
    PayloadTooLarge
        It is larger than MAX_IMAGE_BYTES.
    InvalidRequest
        It is no base64, or no text at all.
    """
    try:
        if isinstance(value, str):
            return _within_limit(_decoded(memoryview(value.encode("ascii")), is_escaped=False))
        if isinstance(value, LongString):
            return _in_place(value, body)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"{name} must be valid base64", field=name) from error
    raise InvalidRequest(f"{name} must be a base64 string", field=name)


def _in_place(place: LongString, body: bytearray) -> memoryview:
    view = memoryview(body)
    if place.end - place.start > _MAX_TEXT_BYTES:
        raise PayloadTooLarge(TOO_LARGE)
    data = _within_limit(_decoded(view[place.start : place.end], is_escaped=True))
    picture = view[place.start : place.start + len(data)]
    picture[:] = data
    return picture


def _within_limit(data: bytes) -> bytes:
    if len(data) > MAX_IMAGE_BYTES:
        raise PayloadTooLarge(TOO_LARGE)
    return data


def _decoded(text: memoryview, *, is_escaped: bool) -> bytes:
    text = _without_prefix(text, is_escaped)
    try:
        return pybase64.b64decode(text, validate=True)
    except binascii.Error:  # line breaks or escapes, perhaps
        return pybase64.b64decode(b"".join(_plain(text, is_escaped)), validate=True)


def _without_prefix(text: memoryview, is_escaped: bool) -> memoryview:
    end = bytes(text[:_DATA_URI_BYTES]).find(b",") + 1  # base64 has none
    is_data_uri = end and _DATA_URI.fullmatch(_unescaped(bytes(text[:end]), is_escaped))
    return text[end:] if is_data_uri else text


def _unescaped(piece: bytes, is_escaped: bool) -> bytes:
    if not is_escaped or b"\\" not in piece:
        return piece
    return str(json.loads(b'"%b"' % piece, strict=False)).encode("ascii")


def _plain(text: memoryview, is_escaped: bool) -> Iterator[bytes]:
    """Take white space and JSON's escapes out, in slices that leave others their turn."""
    start = 0
    while start < len(text):
        end = start + _SLICE_BYTES
        if end < len(text) and (cut := bytes(text[end - _ESCAPE_BYTES : end]).rfind(b"\\")) >= 0:
            end += cut - _ESCAPE_BYTES  # not within an escape
        yield _unescaped(bytes(text[start:end]), is_escaped).translate(None, b" \t\r\n")
        start = end
