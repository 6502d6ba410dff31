"""JSON to values as a .NET model binder takes it: names in any case, of repeated ones the last, all faults.

A fault is kept under the path where it is, as `inputResources[0].interface`.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gateway.apis.inference_requests.words import Enumeration, NotAWord
from gateway.errors import InvalidRequest

T = TypeVar("T")

MAX_DEPTH = 32
_MAX_SHOWN = 64
EMPTY_BODY = "A non-empty request body is required."
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_BYTE = re.compile(r"\+?[0-9]{1,9}", re.ASCII)

Faults = dict[str, list[str]]


class NotBound(InvalidRequest):
    """The body is not such JSON; `faults` says where, by path."""

    def __init__(self, faults: Mapping[str, list[str]]) -> None:
        super().__init__("One or more validation errors occurred.")
        self.faults = faults


class _Pairs(list[tuple[str, Any]]):
    """A JSON object's members, in their order, repeated ones too."""


class Node:
    """A value at its place in the body; reading it wrongly notes a fault and gives the default."""

    def __init__(self, value: Any, path: str, faults: Faults) -> None:
        self._value = value
        self.path = path
        self._faults = faults

    @property
    def is_null(self) -> bool:
        """Whether null stands there."""
        return self._value is None

    def members(self, names: Mapping[str, str]) -> "dict[str, Node]":
        """Give an object's members; `names` maps their names in lower case to what they are called here."""
        if not isinstance(self._value, _Pairs):
            self._fault("an object")
            return {}
        found = {}
        for name, value in self._value:
            known = names.get(name.lower())
            if known is not None:
                found[known] = Node(value, f"{self.path}.{name}" if self.path else name, self._faults)
        return found

    def array(self, read: "Callable[[Node], T]") -> list[T | None]:
        """Give an array, null where an element is."""
        if not isinstance(self._value, list) or isinstance(self._value, _Pairs):
            self._fault("an array")
            return []
        nodes = [
            Node(value, f"{self.path}[{place}]", self._faults) for place, value in enumerate(self._value)
        ]
        return [None if node.is_null else read(node) for node in nodes]

    def text(self) -> str | None:
        """Give a string; numbers count as what they look like."""
        if self._value is None or isinstance(self._value, str):
            return self._value
        if isinstance(self._value, int | float):
            return json.dumps(self._value)
        self._fault("a string")
        return None

    def word(self, enumeration: Enumeration) -> str:
        """Give a word of an enumeration."""
        try:
            return enumeration.read(_whole(self._value))
        except NotAWord:
            self._fault(" | ".join(word for word, _ in enumeration.words), shown=self._value)
            return enumeration.words[0][0]

    def byte(self) -> int:
        """Give a number from 0 to 255, which may stand in a string."""
        value = _whole(self._value)
        if isinstance(value, str) and _BYTE.fullmatch(value.strip()):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
            return value
        self._fault("a whole number from 0 to 255", shown=self._value)
        return 0

    def _fault(self, expected: str, *, shown: Any = ...) -> None:
        # Only values that are no credentials and nothing of a patient's are shown again.
        plain = shown is None or isinstance(shown, str | int | float)
        came = f" {_cut(json.dumps(shown))}" if plain else ""
        sentence = f"Error converting value{came}: expected {expected}. Path '{self.path}'."
        self._faults.setdefault(self.path, []).append(sentence)


def bind(body: bytes, charset: str, read: Callable[[Node], T]) -> T:
    """Read a body.

    Raises
    ------
    NotBound
        It is no JSON object, or holds values that do not fit.
    """
    faults: Faults = {}
    value = _parsed(body, charset)
    if value is None:
        raise NotBound({"": [EMPTY_BODY]})
    result = read(Node(value, "", faults))
    if faults:
        raise NotBound(faults)
    return result


def _parsed(body: bytes, charset: str) -> Any:
    try:
        text = body.decode("utf-8-sig" if charset.lower() in ("utf-8", "utf8") else charset)
    except (UnicodeDecodeError, LookupError):
        raise NotBound({"": ["The body is not text in its charset, UTF-8 or UTF-16."]}) from None
    if not text.strip():
        return None
    if _depth(text) > MAX_DEPTH:
        raise NotBound({"": [f"The reader's MaxDepth of {MAX_DEPTH} has been exceeded."]})
    try:
        return json.loads(text, object_pairs_hook=_Pairs, parse_constant=_refuse)
    except ValueError as error:
        at = (
            f", line {error.lineno}, position {error.colno}"
            if isinstance(error, json.JSONDecodeError)
            else ""
        )
        raise NotBound({"": [f"The body is not valid JSON{at}."]}) from None


def _depth(text: str) -> int:
    deepest = depth = 0
    for token in _TOKENS.finditer(text):
        first = token[0][0]
        depth += (first in "[{") - (first in "]}")
        deepest = max(deepest, depth)
    return deepest


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _whole(value: Any) -> Any:
    """Give 118 for 118.0, which JSON Schema counts as the same integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
