"""JSON whose strings may be long: they are left where they are, and only what is around them is parsed.

`json.loads` is one call that holds every other thread up, a tenth of a second for a body of ten photos, and
copies them into text that base64 then wants as bytes.
"""

import json
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from gateway.errors import InvalidRequest

LONG_BYTES = 4096
"""Strings from this length on are left in the body."""
MAX_REST_BYTES = 2**20
MAX_QUOTES = 2**17
MAX_BACKSLASHES = 64
"""Before a quote; a string with so many in a row is somebody's test of us."""

NOT_JSON = "Request body is not valid JSON"
NO_OBJECT = "Request body must be a JSON object"
TOO_MUCH = f"Request body must hold no more than {MAX_REST_BYTES} bytes besides its images"


class LongString(NamedTuple):
    """A string that was left in the body, its escapes as they came."""

    start: int
    """Offset of its first byte, after the opening quote."""
    end: int
    """Offset of its closing quote."""


class Fields(dict[str, Any]):
    """A JSON object.

    Attributes
    ----------
    repeated
        Names that stood in it more than once; the last value is the one kept.
    """

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        pairs = list(pairs)
        super().__init__(pairs)
        self.repeated = _repeated(name for name, _ in pairs) if len(pairs) > len(self) else frozenset()


def parse_object(body: bytes | bytearray) -> Fields:
    """Parse a JSON object in UTF-8.

    Returns
    -------
    Its fields. A long string, as a field or as an item of a field's list, is a LongString; deeper ones
    are lost.

    Raises
    ------
    InvalidRequest
        It is no JSON, no object, or more than long strings and a MiB around them.
    """
    rest, long_strings = _cut(body)
    try:
        value = json.loads(
            rest.decode("utf-8-sig"),
            strict=False,  # line breaks within base64 are harmless, raw or escaped
            parse_constant=_refuse_constant,
            object_pairs_hook=Fields,
        )
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(NOT_JSON) from error
    if not isinstance(value, Fields):
        raise InvalidRequest(NO_OBJECT)
    for name, field in value.items():
        value[name] = _put_back(field, long_strings)
    return value


def _put_back(field: Any, long_strings: dict[str, LongString]) -> Any:
    if isinstance(field, list):
        return [long_strings.get(item, item) if isinstance(item, str) else item for item in field]
    return long_strings.get(field, field) if isinstance(field, str) else field


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is Python's word, not JSON's")


def _repeated(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name for name, count in Counter(names).items() if count > 1)


def _cut(body: bytes | bytearray) -> tuple[bytearray, dict[str, LongString]]:
    """Give the body with short names, which nobody can guess, in place of its long strings."""
    rest = bytearray()
    long_strings: dict[str, LongString] = {}
    secret = secrets.token_hex(8)
    position = 0
    for start, end in _strings(body):
        if end - start >= LONG_BYTES:
            name = f"{secret}-{len(long_strings)}"
            long_strings[name] = LongString(start, end)
            _append(rest, body, position, start)
            rest += name.encode()
            position = end
    _append(rest, body, position, len(body))
    return rest, long_strings


def _append(rest: bytearray, body: bytes | bytearray, start: int, end: int) -> None:
    if len(rest) + end - start > MAX_REST_BYTES:
        raise InvalidRequest(TOO_MUCH)
    rest += body[start:end]


def _strings(body: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Give where each string begins and ends, without its quotes."""
    start = None
    for quote in _quotes(body):
        if start is None:
            start = quote + 1
        elif not _is_escaped(body, start, quote):
            yield start, quote
            start = None


def _quotes(body: bytes | bytearray) -> Iterator[int]:
    position = -1
    for _ in range(MAX_QUOTES):
        position = body.find(b'"', position + 1)
        if position < 0:
            return
        yield position
    raise InvalidRequest(TOO_MUCH)


def _is_escaped(body: bytes | bytearray, start: int, quote: int) -> bool:
    before = body[max(start, quote - MAX_BACKSLASHES) : quote]
    backslashes = len(before) - len(before.rstrip(b"\\"))
    if backslashes == MAX_BACKSLASHES:
        raise InvalidRequest(TOO_MUCH)
    return backslashes % 2 == 1
