"""What is asked of the endpoints for photos of screens, and what only they have to refuse."""

from typing import Any, NamedTuple

from gateway.apis.vhs.photos import Bytes, decode
from gateway.apis.vhs.schema import NO_IMAGE, parse_uuid, refuse_repeated
from gateway.errors import InvalidRequest, UnprocessableRequest
from gateway.web.json_body import Fields, LongString, parse_object

MAX_BODY_BYTES = 15 * 2**20
"""A picture of ten mebibytes in base64, and some."""
MAX_SESSION_ID_CHARACTERS = 64

NO_CORNERS = "Missing required field: corners"
INVALID_CORNERS = "Invalid corners"
CORNERS_NOT_FOUND = "Corner detection failed"
NO_SESSION_ID = "Missing required field: session_id"


class CornersNotFound(UnprocessableRequest):
    """There is no screen in the picture, or its corners are not to be trusted."""

    def __init__(self) -> None:
        super().__init__(CORNERS_NOT_FOUND, field="image")


class InvalidCornersGiven(InvalidRequest):
    """Corners in a request that cannot be a photographed screen's."""

    def __init__(self) -> None:
        super().__init__(INVALID_CORNERS, field="corners")


class ToRectify(NamedTuple):
    """Body of `POST /v3/rectify`."""

    photo: Bytes
    corners: Any
    """As they came."""


class Frame(NamedTuple):
    """Body of `POST /v3/pop-session`."""

    photo: Bytes
    session_id: str
    uuid: str | None


def parse_photo(body: bytearray) -> Bytes:
    """Read the body of `POST /v3/corners` and of `POST /v3/preprocess`; raises as `parse_frame`."""
    fields = _fields(body, "image")
    return _photo(fields, body)


def parse_rectify(body: bytearray) -> ToRectify:
    """Read the body of `POST /v3/rectify`; raises as `parse_frame`."""
    fields = _fields(body, "image", "corners")
    _require_image(fields)
    if fields.get("corners") is None:
        raise InvalidRequest(NO_CORNERS, field="corners")
    return ToRectify(_photo(fields, body), _corners(fields["corners"]))


def parse_frame(body: bytearray) -> Frame:
    """Read the body of `POST /v3/pop-session`, whose bytes the picture takes over.

    Raises
    ------
    PayloadTooLarge
        The picture is too large.
    InvalidRequest
        The sentence for the first thing that is wrong.
    """
    fields = _fields(body, "image", "session_id", "uuid")
    _require_image(fields)
    session_id, uuid = _session_id(fields), parse_uuid(fields)
    return Frame(_photo(fields, body), session_id, uuid)


def parse_start(body: bytes) -> None:
    """Read the body of `POST /v3/pop-session/start`: any JSON object, or nothing.

    Raises
    ------
    InvalidRequest
        It is neither.
    """
    if body.strip():
        parse_object(body)


def _fields(body: bytearray, *names: str) -> Fields:
    fields = parse_object(body)
    refuse_repeated(fields, names)
    return fields


def _require_image(fields: Fields) -> None:
    if fields.get("image") in (None, ""):
        raise InvalidRequest(NO_IMAGE, field="image")


def _photo(fields: Fields, body: bytearray) -> Bytes:
    _require_image(fields)
    return decode("image", fields["image"], body)


def _corners(corners: Any) -> list[Any]:
    """Take what may be corners; a long string is a pair of numbers here, and has to go."""
    if not isinstance(corners, list) or any(isinstance(pair, LongString) for pair in corners):
        raise InvalidCornersGiven
    return corners


def _session_id(fields: Fields) -> str:
    session_id = fields.get("session_id")
    if session_id in (None, ""):
        raise InvalidRequest(NO_SESSION_ID, field="session_id")
    if not isinstance(session_id, str) or len(session_id) > MAX_SESSION_ID_CHARACTERS:
        raise InvalidRequest(
            f"session_id must be a string of at most {MAX_SESSION_ID_CHARACTERS} characters",
            field="session_id",
        )
    return session_id
