"""JSON whose long strings stay where they are."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.web import json_body
from gateway.web.json_body import LONG_BYTES, MAX_REST_BYTES, LongString, parse_object

LONG = "A" * LONG_BYTES
# Strings on both sides of the limit, with what would lead astray whoever looks for quotes.
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(['"', "\\", '\\"', "\\\\", LONG, f'{LONG}"', f"\\{LONG}\\", f'"{LONG}\\\\"', f"ü{LONG}"]),
)
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers(-(2**60), 2**60),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def put_back(value, body):
    """Undo what `parse_object` leaves out, where it says that it does."""
    if isinstance(value, LongString):
        return json.loads(b'"%b"' % body[value.start : value.end], strict=False)
    if isinstance(value, list):
        return [put_back(item, body) for item in value]
    return value


def long_below(value):
    """Whether there is a long string deeper than an item of a field's list, or in a name."""
    if isinstance(value, dict):
        return any(is_long(name) or long_below(item) for name, item in value.items())
    if isinstance(value, list):
        return any(long_below(item) for item in value)
    return is_long(value)


def is_long(value):
    return isinstance(value, str) and len(json.dumps(value, ensure_ascii=False).encode()) - 2 >= LONG_BYTES


@given(st.dictionaries(st.text(max_size=20), VALUES, max_size=4), st.booleans())
def test_says_what_the_json_library_says(fields, ensure_ascii):
    body = bytearray(json.dumps(fields, ensure_ascii=ensure_ascii).encode("utf-8", "surrogatepass"))
    try:
        expected = json.loads(body.decode())
    except UnicodeDecodeError:
        with pytest.raises(InvalidRequest):
            parse_object(body)
        return
    found = parse_object(body)
    assert list(found) == list(expected)
    for name, value in expected.items():
        items = value if isinstance(value, list) else []
        if isinstance(value, dict | list) and any(
            long_below(item) for item in (items or [value]) if not isinstance(item, str)
        ):
            continue
        assert put_back(found[name], body) == value


def test_a_long_string_is_its_place_in_the_body():
    body = bytearray(json.dumps({"a": LONG, "b": ["x", LONG]}).encode())
    found = parse_object(body)
    assert found["a"] == LongString(7, 7 + LONG_BYTES)
    assert body[slice(*found["b"][1])] == LONG.encode()
    assert found["b"][0] == "x"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"a": NaN}',
        b'{"a": 1} x',
        b'{"a": "x}',
        b'{"a": "\xff"}',
        b'{"a": "\\x"}',
        b'{"a":' * 5000,
        b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        '{"a": 1}'.encode("utf-16"),
        f'{{"a": "{LONG}" "{LONG}"}}'.encode(),
        f'{{"a": "{LONG}}}'.encode(),
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_refuses_what_is_no_json(body):
    with pytest.raises(InvalidRequest, match=r"^Request body is not valid JSON$"):
        parse_object(bytearray(body))


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"1", f'"{LONG}"'.encode()])
def test_refuses_what_is_no_object(body):
    with pytest.raises(InvalidRequest, match=r"^Request body must be a JSON object$"):
        parse_object(bytearray(body))


def test_takes_a_byte_order_mark():
    assert parse_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_names_what_is_repeated():
    assert parse_object(b'{"a": 1, "b": 2, "a": 3, "c": {"d": 1, "d": 2}}').repeated == {"a"}
    assert parse_object(b'{"a": 1, "c": {"d": 1, "d": 2}}').repeated == set()


def test_nobody_can_name_anothers_long_string(monkeypatch):
    monkeypatch.setattr(json_body.secrets, "token_hex", lambda _: "guessed")
    body = json.dumps({"a": LONG, "b": "guessed-0"}).encode()
    assert isinstance(parse_object(body)["b"], LongString)  # with the secret it would be so
    monkeypatch.undo()
    assert parse_object(body)["b"] == "guessed-0"


HOSTILE = {
    "numbers": b'{"a": [' + b"0," * 20_000_000 + b"0]}",
    "spaces": b'{"a": 1' + b" " * 40_000_000 + b"}",
    "short strings": b'{"a": [' + b'"x",' * 10_000_000 + b'"x"]}',
    "quotes": b'{"a": "' + b'\\"' * 20_000_000 + b'"}',
    "backslashes": b'{"a": "' + b"\\" * 40_000_000 + b'"}',
    "names": b"{" + b'"a": 1,' * 5_000_000 + b'"a": 1}',
    "brackets": b'{"a": ' + b"[" * 40_000_000,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_large_body_of_anything_else_is_refused_soon(body):
    started = time.process_time()
    with pytest.raises(InvalidRequest, match=f"no more than {MAX_REST_BYTES} bytes besides its images"):
        parse_object(body)
    assert time.process_time() - started < 1.0  # json.loads takes one to several
