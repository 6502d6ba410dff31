"""A real S3 API of the tests' own: moto's server, in this process, on a free port."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import boto3
from moto.server import ThreadedMotoServer

from gateway.outbound.peers import Peer

BUCKET = "volumes"


class S3(NamedTuple):
    """A running server and a client of it."""

    url: str
    client: Any

    def presigned(self, key: str, **parameters: str) -> str:
        """Give a URL that one object can be put to."""
        return str(
            self.client.generate_presigned_url(
                "put_object", Params={"Bucket": BUCKET, "Key": key, **parameters}, ExpiresIn=600
            )
        )

    def stored(self, key: str) -> dict[str, Any]:
        """Read an object back."""
        found: dict[str, Any] = self.client.get_object(Bucket=BUCKET, Key=key)
        return found

    def peer(self) -> Peer:
        """Give the rule that lets uploads through to the bucket."""
        return Peer(name="s3", url=f"{self.url}/{BUCKET}/", networks=("127.0.0.0/8",), plain_http=True)


@contextlib.contextmanager
def s3_server() -> Iterator[S3]:
    """Run a server with one bucket."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            region_name="us-east-1",
            aws_access_key_id="tests",
            aws_secret_access_key="tests",
            config=boto3.session.Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )
        client.create_bucket(Bucket=BUCKET)
        yield S3(f"http://{host}:{port}", client)
        client.close()
    finally:
        server.stop()
