"""What a request may be, and the sentence for what it may not."""

import asyncio
import base64
import gzip
import json
from io import BytesIO

import pytest

from gateway.apis.vhs import photos
from gateway.apis.vhs.photos import MAX_IMAGE_BYTES
from tests.apis.vhs_callers import b64, broken_png, jpeg, png

PHOTO = b64(png(1))
ROUTES = [
    ("GET", "/v3/health"),
    ("GET", "/v3/usage"),
    ("POST", "/v3/predict"),
    ("POST", "/v3/predict/stream"),
]


def large_png(size: int) -> bytes:
    """A picture of so many bytes: what follows a PNG's end belongs to nobody."""
    return png(1).ljust(size, b"\0")


# Keys


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("headers", [{}, {"x-api-key": ""}, {"x-api-key": "x"}, {"Authorization": "x"}])
async def test_no_route_goes_without_a_key(vhs_client, method, path, headers):
    response = await vhs_client.request(method, path, headers=headers)
    assert (response.status, await response.json()) == (403, {"error": "Invalid API key"})
    assert response.headers["X-Request-ID"]


async def test_a_key_in_another_spelling_of_the_header_is_one(vhs_client, key):
    assert (await vhs_client.get("/v3/health", headers={"X-API-KEY": key})).status == 200


async def test_the_key_comes_before_everything_else(vhs_client):
    response = await vhs_client.post("/v3/predict", data=b"nonsense")
    assert response.status == 403


# Which fields


@pytest.mark.parametrize("path", ["/v3/predict", "/v3/predict/stream"])
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"image": PHOTO, "images": [PHOTO]}, "Provide either image or images, not both"),
        ({"image": PHOTO, "images": []}, "Provide either image or images, not both"),
        ({"image": 5, "images": [PHOTO]}, "Provide either image or images, not both"),
        ({"images": []}, "Missing required field: images"),
        ({"images": [PHOTO] * 11}, "Maximum batch size is 10 images"),
        ({"images": ["!"] * 11}, "Maximum batch size is 10 images"),
        ({"images": PHOTO}, "images must be an array of base64 strings"),
        ({"images": {"0": PHOTO}}, "images must be an array of base64 strings"),
        ({"images": [PHOTO, 5]}, "images[1] must be a base64 string"),
        ({"images": [PHOTO, None]}, "images[1] must be a base64 string"),
        ({"images": [PHOTO, [PHOTO]]}, "images[1] must be a base64 string"),
        ({"images": [PHOTO, "no base64!"]}, "images[1] must be valid base64"),
        ({"images": [PHOTO], "render": 1}, "render must be a boolean"),
        ({"images": [PHOTO], "render": "true"}, "render must be a boolean"),
        ({"images": [PHOTO], "render": None}, "render must be a boolean"),
        ({"images": [PHOTO], "uuid": 123}, "uuid must be a string of at most 128 characters"),
        ({"images": [PHOTO], "uuid": "x" * 129}, "uuid must be a string of at most 128 characters"),
        ({"images": [PHOTO], "uuid": "x" * 9999}, "uuid must be a string of at most 128 characters"),
        ({"images": [PHOTO], "uuid": ["x"]}, "uuid must be a string of at most 128 characters"),
    ],
)
async def test_names_what_is_wrong(post, pipeline, path, fields, error):
    assert await post(path, **fields) == (400, {"error": error})
    assert not pipeline.seen


@pytest.mark.parametrize("fields", [{}, {"image": ""}, {"image": None}, {"images": None}, {"uuid": "x"}])
async def test_names_the_field_that_is_missing(post, fields):
    assert await post(**fields) == (400, {"error": "Missing required field: image"})
    assert await post("/v3/predict/stream", **fields) == (400, {"error": "Missing required field: images"})


async def test_a_stream_is_of_a_batch(post):
    assert await post("/v3/predict/stream", image=PHOTO) == (
        400,
        {"error": "Missing required field: images"},
    )


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (5, "image must be a base64 string"),
        (True, "image must be a base64 string"),
        ([PHOTO], "image must be a base64 string"),
        ({"data": PHOTO}, "image must be a base64 string"),
        ("no base64!", "image must be valid base64"),
        (PHOTO[:-1], "image must be valid base64"),
        (PHOTO + "=", "image must be valid base64"),
        (PHOTO + "ü", "image must be valid base64"),
        ("data:image/png;base64," + "?", "image must be valid base64"),
        ("data:text/html;base64," + PHOTO, "image must be valid base64"),
        (base64.urlsafe_b64encode(b"\xff\xef" * 30).decode(), "image must be valid base64"),
        (b64(b"GIF89a" + bytes(100)), "Unsupported image format"),
        (b64(b"BM" + bytes(100)), "Unsupported image format"),
        (b64(b"<svg/>"), "Unsupported image format"),
        (b64(b"\x89PNG\r\n\x1a\n"), "Invalid image data"),
        (b64(broken_png()), "Invalid image data"),
        (b64(jpeg()[:200]), "Invalid image data"),
    ],
)
async def test_names_what_is_wrong_with_the_image(post, image, error):
    assert await post(image=image) == (400, {"error": error})


async def test_ignores_what_it_does_not_know(post):
    status, _ = await post(image=PHOTO, images=None, uuid=None, patient={"name": "x"}, session_id=5)
    assert status == 200


async def test_a_uuid_may_have_128_characters(post):
    for uuid in ("x" * 128, "ü" * 128, "🐕" * 128, '"\\\n', ""):
        assert (await post(image=PHOTO, uuid=uuid))[0] == 200


# How base64 may come


SPELLINGS = {
    "plain": lambda text: text,
    "data URI": lambda text: f"data:image/png;base64,{text}",
    "data URI in capitals": lambda text: f"DATA:IMAGE/PNG;BASE64,{text}",
    "lines": lambda text: "\r\n".join(text[i : i + 76] for i in range(0, len(text), 76)) + "\n",
    "data URI and lines": lambda text: f"data:image/svg+xml;base64,\n{text}\n",
    "spaces": lambda text: f"  {text}\t",
}
ENCODERS = {
    "as it is": json.dumps,
    "slashes escaped, as PHP does": lambda fields: json.dumps(fields).replace("/", "\\/"),
    "plus escaped, as .NET does": lambda fields: json.dumps(fields).replace("+", "\\u002B"),
    "everything escaped": lambda fields: json.dumps(fields).replace("A", "\\u0041").replace("/", "\\u002f"),
    "line breaks raw": lambda fields: json.dumps(fields).replace("\\r", "\r").replace("\\n", "\n"),
}


@pytest.mark.parametrize("size", [0, 200_000])
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS)
async def test_takes_base64_as_it_is_sent(vhs_client, key, pipeline, spelling, encode, size):
    # Every byte value, so that all of the alphabet is there.
    picture = png(1) + bytes(range(256)) * (size // 256)
    headers = {"x-api-key": key, "Content-Type": "application/json"}
    for fields in ({"image": spelling(b64(picture))}, {"images": [PHOTO, spelling(b64(picture))]}):
        response = await vhs_client.post("/v3/predict", data=encode(fields), headers=headers)
        assert response.status == 200, await response.text()
        assert pipeline.seen[-1] == picture


async def test_long_text_that_is_no_base64_is_refused(post):
    for text in ("A" * 9999, b64(png(1) * 500) + "\\", b64(png(1) * 500)[:-9] + "\\u0041" + "=" * 3):
        assert await post(image=text) == (400, {"error": "image must be valid base64"})


# How large


@pytest.mark.parametrize("fields", [lambda text: {"image": text}, lambda text: {"images": [PHOTO, text]}])
async def test_an_image_may_have_ten_mebibytes(post, pipeline, fields):
    assert (await post(**fields(b64(large_png(MAX_IMAGE_BYTES)))))[0] == 200
    assert len(pipeline.seen[-1]) == MAX_IMAGE_BYTES == 10 * 1024 * 1024
    error = {"error": "Image exceeds maximum size of 10MB"}
    assert await post(**fields(b64(large_png(MAX_IMAGE_BYTES + 1)))) == (413, error)


async def test_an_image_of_a_hundred_megabytes_is_not_even_decoded(post, monkeypatch):
    monkeypatch.setattr(photos, "_decoded", None)
    error = {"error": "Image exceeds maximum size of 10MB"}
    assert await post(image="A" * 100_000_000) == (413, error)


async def test_a_body_beyond_all_bounds_is_refused(vhs_client, key):
    headers = {"x-api-key": key, "Content-Type": "application/json"}

    async def chunks():
        for _ in range(141):
            yield bytes(2**20)

    response = await vhs_client.post("/v3/predict", data=chunks(), headers=headers)
    assert response.status == 413
    assert await response.json() == {"error": "the body exceeds 146800640 bytes"}


async def test_a_body_of_anything_but_images_is_refused(post):
    status, body = await post(image=PHOTO, notes=["x"] * 400_000)
    assert status == 400
    assert body["error"].startswith("Request body must hold no more than 1048576 bytes besides")


async def test_more_bytes_than_the_budget_allows_are_refused_until_later(serve_vhs, key, pipeline):
    client = await serve_vhs(body_budget_bytes=140 * 2**20)
    headers = {"x-api-key": key, "Content-Type": "application/json"}
    half = json.dumps({"images": [b64(large_png(MAX_IMAGE_BYTES))] * 6}).encode()
    pipeline.gate.clear()
    waiting = asyncio.create_task(client.post("/v3/predict", data=BytesIO(half), headers=headers))
    while not pipeline.running:
        await asyncio.sleep(0.01)
    response = await client.post("/v3/predict", data=BytesIO(half), headers=headers)
    assert (response.status, await response.json()) == (503, {"error": "Server is busy"})
    assert response.headers["Retry-After"] == "5"
    assert (await client.get("/v3/health", headers=headers)).status == 200
    pipeline.gate.set()
    assert (await waiting).status == 200
    assert (await client.post("/v3/predict", data=BytesIO(half), headers=headers)).status == 200


# What kind of body


@pytest.fixture
def send(vhs_client, key):
    async def send(data, path="/v3/predict", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"x-api-key": key, "Content-Type": "application/json", **named}
        response = await vhs_client.post(path, data=data, headers=sent)
        return response.status, (await response.json())["error"]

    return send


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_another_kind_of_body_is_refused(send, kind):
    body = json.dumps({"image": PHOTO})
    assert await send(body, Content_Type=kind) == (400, "Content-Type must be application/json")


async def test_a_charset_is_no_other_kind(vhs_client, key):
    headers = {"x-api-key": key, "Content-Type": "application/json; charset=utf-8"}
    assert (
        await vhs_client.post("/v3/predict", data=json.dumps({"image": PHOTO}), headers=headers)
    ).status == 200


@pytest.mark.parametrize("data", [gzip.compress(json.dumps({"image": PHOTO}).encode()), b"no gzip"])
async def test_a_compressed_body_is_refused(send, data):
    status, error = await send(data, Content_Encoding="gzip")
    assert (status, error) == (400, "Content-Encoding must be identity")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "Request body is not valid JSON"),
        (b"{", "Request body is not valid JSON"),
        (b'{"image": NaN}', "Request body is not valid JSON"),
        (b'{"image": ' + b"[" * 100_000, "Request body is not valid JSON"),
        (b'{"image": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "Request body is not valid JSON"),
        (b'{"image": "\xff"}', "Request body is not valid JSON"),
        (b"[]", "Request body must be a JSON object"),
        (b"null", "Request body must be a JSON object"),
        (b'{"image": "a", "image": "b"}', "image must be given once"),
        (b'{"image": "a", "uuid": "x", "uuid": "y"}', "uuid must be given once"),
    ],
)
async def test_what_is_no_object_of_json_is_refused(send, body, error):
    for path in ("/v3/predict", "/v3/predict/stream"):
        assert await send(body, path) == (400, error)


async def test_a_surrogate_without_its_half_is_a_uuid_like_another(send, vhs_client, key):
    headers = {"x-api-key": key, "Content-Type": "application/json"}
    body = json.dumps({"image": PHOTO, "uuid": "x\ud800"})
    for _ in range(2):
        response = await vhs_client.post("/v3/predict", data=body, headers=headers)
        assert response.status == 200
    assert (await response.json())["billing"]["reason"] == "recheck_24h"


# Where there is nothing


@pytest.mark.parametrize(
    "path", ["/v3", "/v3/", "/v3/predict/", "/v3/nothing", "/v3/predict/stream/x", "/V3/health"]
)
async def test_a_path_that_is_not_there(vhs_client, path):
    response = await vhs_client.get(path)
    assert response.status == 404
    if path.startswith("/v3/"):
        assert (response.content_type, await response.json()) == (
            "application/json",
            {"error": "Not found"},
        )


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v3/predict", "POST"),
        ("PUT", "/v3/predict/stream", "POST"),
        ("POST", "/v3/health", "GET"),
        ("DELETE", "/v3/usage", "GET"),
    ],
)
async def test_a_method_that_is_not_there(vhs_client, method, path, allowed):
    response = await vhs_client.request(method, path)
    assert (response.status, await response.json()) == (405, {"error": "Method not allowed"})
    assert response.headers["Allow"] == allowed
    assert response.headers["X-Request-ID"]


# The other base path


async def test_the_other_base_path_is_there_where_it_is_set(serve_vhs, vhs_client, key):
    headers = {"x-api-key": key}
    assert (await vhs_client.get("/vhs/v3/health", headers=headers)).status == 404
    client = await serve_vhs(vhs_alias=True)
    for prefix in ("", "/vhs"):
        assert (await client.get(f"{prefix}/v3/health", headers=headers)).status == 200
        response = await client.post(f"{prefix}/v3/predict", json={"image": PHOTO}, headers=headers)
        assert response.status == 200
        response = await client.get(f"{prefix}/v3/nothing")
        assert (response.status, await response.json()) == (404, {"error": "Not found"})
