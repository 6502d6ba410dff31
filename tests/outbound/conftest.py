"""Peers, and the client that speaks to them."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest

from gateway.outbound.client import Outbound
from gateway.outbound.connection import Connection
from gateway.outbound.limits import Limits
from gateway.outbound.peers import Peer
from tests.dicom_files import dicom_file
from tests.peers.faults import FaultPeer
from tests.peers.fhirsnake import Fhirsnake, running_fhirsnake
from tests.peers.orthanc import AUTH_ID, Orthanc, running_orthanc

LOOPBACK = ("127.0.0.0/8", "::1/128")


@pytest.fixture(scope="session")
def orthanc_server(tmp_path_factory) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture
def orthanc(orthanc_server) -> Orthanc:
    """An Orthanc without patients."""
    orthanc_server.clear()
    return orthanc_server


@pytest.fixture(scope="session")
def fhirsnake(tmp_path_factory) -> Iterator[Fhirsnake]:
    patient = {"resourceType": "Patient", "id": "p1", "birthDate": "1970-01-01"}
    with running_fhirsnake(tmp_path_factory.mktemp("fhirsnake"), [patient]) as server:
        yield server


@pytest.fixture
async def fault_peer(aiohttp_server) -> FaultPeer:
    peer = FaultPeer()
    server = await aiohttp_server(peer.application())
    peer.origin = f"http://127.0.0.1:{server.port}"
    return peer


@pytest.fixture
def slept() -> list[float]:
    """The pauses between attempts, which are noted and not made."""
    return []


@pytest.fixture
async def make_outbound(slept) -> AsyncIterator[Callable[..., Outbound]]:
    made: list[Outbound] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    def make(*peers: Peer, **limits: Any) -> Outbound:
        made.append(Outbound(peers, limits=Limits(**limits), sleep=sleep))
        return made[-1]

    yield make
    for each in made:
        await each.close()


def rule(url: str, **changes: Any) -> Peer:
    values = {"name": "pacs", "url": url, "networks": LOOPBACK, "plain_http": url.startswith("http:")}
    return Peer(**{**values, **changes})


@pytest.fixture
def to_orthanc(orthanc) -> Connection:
    return Connection(orthanc.uri, "Basic", AUTH_ID)


def instance(number: int = 1, *, study: str = "1.2.3", series: str = "1.2.3.1", **changes: Any) -> bytes:
    """Write a small film as the instance of a number."""
    pixels = changes.pop("pixels", np.full((16, 16), number % 4096, np.uint16))
    values = {
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "SOPInstanceUID": f"{series}.{number}",
        "AccessionNumber": "ACC-9",
        **changes,
    }
    return dicom_file(pixels, **values)
