"""Uploads to pre-signed URLs: to a real S3 API, and what is refused before anything goes out."""

import re

import pytest

from gateway.errors import PeerFailed, PeerRefused
from gateway.outbound.client import Outbound
from gateway.outbound.peers import Peer
from gateway.outbound.upload import Uploads, target_of
from tests.peers.s3 import BUCKET, s3_server

SECRET = "X-Amz-Signature=0123"


@pytest.fixture(scope="module")
def s3():
    with s3_server() as server:
        yield server


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "output.zip"
    path.write_bytes(bytes(range(256)) * 9000)
    return path


@pytest.fixture
async def uploads(s3):
    async with Outbound([s3.peer()]) as outbound:
        yield Uploads(outbound)


@pytest.mark.parametrize("key", ["a.zip", "some/folder/with space/ä+b.zip"])
async def test_puts_a_file_into_a_bucket(s3, uploads, file, key):
    await uploads.put(file, s3.presigned(key), account="", content_type="application/zip")
    stored = s3.stored(key)
    assert stored["Body"].read() == file.read_bytes()
    assert stored["ContentType"] == "application/zip"


async def test_says_what_the_bucket_answered(s3, uploads, file):
    url = s3.presigned("a.zip").replace(f"/{BUCKET}/", f"/{BUCKET}/../none/")
    with pytest.raises(PeerRefused):
        await uploads.put(file, url, account="", content_type="application/zip")
    s3.client.create_bucket(Bucket="short-lived")
    url = s3.presigned("a.zip").replace(f"/{BUCKET}/", "/short-lived/")
    s3.client.delete_bucket(Bucket="short-lived")
    rule = Peer(name="s3", url=f"{s3.url}/", networks=("127.0.0.0/8",), plain_http=True)
    async with Outbound([rule]) as outbound:
        with pytest.raises(PeerFailed, match="The peer s3 answered 404") as raised:
            await Uploads(outbound).put(file, url, account="", content_type="application/zip")
    assert "Signature" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "base", "rest"),
    [
        (f"https://h/b/k.zip?{SECRET}", "https://h/b/", f"k.zip?{SECRET}"),
        ("https://h:8443/b/a%20b/k.zip", "https://h:8443/b/", "a%20b/k.zip"),
        ("https://h/k?x=a/../b", "https://h/", "k?x=a/../b"),
        ("https://h", "https://h/", ""),
    ],
)
def test_takes_a_url_apart(url, base, rest):
    assert target_of(url) == (base, rest)


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "ftp://h/b/k", "file:///etc/passwd", "https://user:word@h/b/k", "https://h/b/../c/k",
        "https://h/b/%2e%2e/c", "https://h/b/..%2fc", "https://h/b\\c", "https://h/b/k#x", "https://h/b/k y",
        "https://h/ä", "https://h/b\n/k", f"https://h/{'k' * 9000}",
    ],
)  # fmt: skip
async def test_refuses_what_is_no_plain_url(uploads, file, url):
    with pytest.raises(PeerRefused) as raised:
        await uploads.put(file, url, account="", content_type="application/zip")
    assert not url or url not in str(raised.value)


async def test_reaches_nobody_but_peers(uploads, s3):
    port = re.search(r":(\d+)$", s3.url)[1]
    for url in (f"{s3.url}/other/k", f"http://localhost:{port}/{BUCKET}/k", "https://s3.example.org/b/k"):
        with pytest.raises(PeerRefused, match="none allows"):
            uploads.require_allowed(url, "")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.1", "localhost"])
async def test_public_uploads_do_not_lead_inside(file, host):
    async with Outbound([]) as outbound:
        uploads = Uploads(outbound, public=True)
        with pytest.raises(PeerRefused, match="outside"):
            await uploads.put(file, f"https://{host}/b/k", account="", content_type="application/zip")


async def test_public_uploads_are_of_https_only():
    async with Outbound([]) as outbound:
        with pytest.raises(PeerRefused):
            Uploads(outbound, public=True).require_allowed("http://s3.example.org/b/k", "")
        Uploads(outbound, public=True).require_allowed("https://s3.example.org/b/k", "")
