"""What is asked of the VHS API, and its errors: `{"error": text}`, in the texts of the contract."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from aiohttp import web

from gateway.apis.vhs.photos import Bytes, decode
from gateway.errors import (
    Busy,
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    GatewayError,
    InferenceTimeout,
    InvalidImage,
    InvalidRequest,
    ModelUnavailable,
    NotFound,
    RateLimited,
    UnsupportedMediaType,
)
from gateway.imaging.picture import MAX_PIXELS
from gateway.web.json_body import Fields, parse_object
from gateway.web.mount import MethodNotAllowed

MAX_PHOTOS = 10
MAX_UUID_CHARACTERS = 128
MAX_IDEMPOTENCY_KEY_CHARACTERS = 255
MAX_BODY_BYTES = 140 * 2**20
"""Ten pictures of ten mebibytes in base64, and some."""

BOTH = "Provide either image or images, not both"
NO_IMAGE = "Missing required field: image"
NO_IMAGES = "Missing required field: images"
TOO_MANY = f"Maximum batch size is {MAX_PHOTOS} images"
INVALID_IMAGE = "Invalid image data"
UNSUPPORTED_FORMAT = "Unsupported image format"
TOO_MANY_PIXELS = f"Image exceeds maximum size of {MAX_PIXELS // 10**6} megapixels"
NOT_AVAILABLE = "Prediction models not available"
TIMEOUT = "Request timeout"
INTERNAL_ERROR = "Internal server error"
INVALID_KEY = "Invalid API key"

RETRY_AFTER_SECONDS = 5
"""A pipeline that was lost is back sooner, most of the time."""


class PopUnavailable(ModelUnavailable):
    """Photos of screens are not taken: by the settings, or because a model is away."""

    def __init__(self) -> None:
        super().__init__("PoP pipeline not available")


class Asked(NamedTuple):
    """Body of `POST /v3/predict` and of `POST /v3/predict/stream`."""

    photos: Sequence[Bytes]
    is_batch: bool
    uuid: str | None
    render: bool


def parse_predict(body: bytearray, *, only_batch: bool = False) -> Asked:
    """Read a body, whose bytes the pictures take over.

    Parameters
    ----------
    only_batch
        Whether one `image` will not do.

    Raises
    ------
    PayloadTooLarge
        A picture is too large.
    InvalidRequest
        The sentence for the first thing that is wrong.
    """
    fields = parse_object(body)
    refuse_repeated(fields, ("image", "images", "uuid", "render"))
    is_batch = _is_batch(fields, only_batch)
    values = _images(fields) if is_batch else [fields["image"]]
    uuid, render = parse_uuid(fields), _render(fields)
    names = [f"images[{index}]" for index in range(len(values))] if is_batch else ["image"]
    photos = [decode(name, value, body) for name, value in zip(names, values, strict=True)]
    return Asked(photos, is_batch, uuid, render)


def refuse_repeated(fields: Fields, names: Sequence[str]) -> None:
    """Refuse a field that is given twice: which of the two counts is anybody's guess."""
    for name in names:
        if name in fields.repeated:
            raise InvalidRequest(f"{name} must be given once", field=name)


def _is_batch(fields: Fields, only_batch: bool) -> bool:
    has_image = fields.get("image") not in (None, "")
    has_images = fields.get("images") is not None
    if has_image and has_images:
        raise InvalidRequest(BOTH, field="images")
    if not has_image and not has_images:
        raise InvalidRequest(NO_IMAGES if only_batch else NO_IMAGE, field="image")
    if only_batch and has_image:
        raise InvalidRequest(NO_IMAGES, field="images")
    return has_images


def _images(fields: Fields) -> list[Any]:
    images = fields["images"]
    if not isinstance(images, list):
        raise InvalidRequest("images must be an array of base64 strings", field="images")
    if not images:
        raise InvalidRequest(NO_IMAGES, field="images")
    if len(images) > MAX_PHOTOS:
        raise InvalidRequest(TOO_MANY, field="images")
    return images


def parse_uuid(fields: Fields) -> str | None:
    """Read the caller's name for a patient; an empty one is none."""
    uuid = fields.get("uuid")
    if uuid is None or uuid == "":
        return None
    if not isinstance(uuid, str) or len(uuid) > MAX_UUID_CHARACTERS:
        raise InvalidRequest(
            f"uuid must be a string of at most {MAX_UUID_CHARACTERS} characters", field="uuid"
        )
    return uuid


def _render(fields: Fields) -> bool:
    render = fields.get("render", False)
    if not isinstance(render, bool):
        raise InvalidRequest("render must be a boolean", field="render")
    return render


def require_json(request: web.Request) -> None:
    """Refuse a body of another kind.

    Raises
    ------
    InvalidRequest
        By its headers it is no JSON, or compressed.
    """
    if request.content_type != "application/json":
        raise UnsupportedMediaType("Content-Type must be application/json", field="Content-Type")
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("identity", ""):
        raise UnsupportedMediaType("Content-Encoding must be identity", field="Content-Encoding")


def idempotency_key(request: web.Request) -> str | None:
    """Read the header `Idempotency-Key`.

    Raises
    ------
    InvalidRequest
        It is empty or too long, or holds more than printable ASCII.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (0 < len(key) <= MAX_IDEMPOTENCY_KEY_CHARACTERS and key.isascii() and key.isprintable()):
        raise InvalidRequest(
            f"Idempotency-Key must be 1 to {MAX_IDEMPOTENCY_KEY_CHARACTERS} printable ASCII characters",
            field="Idempotency-Key",
        )
    return key


def error_answer(error: GatewayError) -> web.Response:
    """Render an error; what is not the caller's to mend says no more than that."""
    status, text = _told(error)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if isinstance(error, ModelUnavailable) else None
    return web.Response(
        text=json.dumps({"error": text}), status=status, content_type="application/json", headers=headers
    )


def _told(error: GatewayError) -> tuple[int, str]:
    if isinstance(error, PopUnavailable):
        return 503, error.message
    if isinstance(error, ModelUnavailable):
        return 503, NOT_AVAILABLE
    if isinstance(error, InferenceTimeout):
        return 504, TIMEOUT
    if isinstance(error, Forbidden):
        return 403, INVALID_KEY
    if isinstance(error, NotFound):
        return 404, "Not found"
    if isinstance(error, MethodNotAllowed):
        return 405, "Method not allowed"
    if isinstance(error, InvalidImage | UnsupportedMediaType):
        return 400, error.message
    if isinstance(error, InvalidRequest | Conflict | RateLimited | Busy | DatabaseUnavailable):
        return error.status, error.message
    return 500, INTERNAL_ERROR


def error_text(error: GatewayError) -> str:
    """Give what a caller is told about an error."""
    return _told(error)[1]
