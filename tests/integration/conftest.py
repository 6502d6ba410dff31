"""Real instances on real films."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.apis.chest_xray.canary import canary_film
from gateway.triton.installation import Installation, TritonNotInstalled
from tests.integration.instances import Instance

DICOM = (Path(__file__).parents[2].parent / "shared" / "data" / "dicom").resolve()  # links are refused


@pytest.fixture(scope="session", autouse=True)
def _triton_is_installed():
    try:
        Installation.find()
    except TritonNotInstalled as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def instance(tmp_path_factory) -> Iterator[Instance]:
    """A running instance that takes any radiograph for a chest film.

    Its processes are not to be killed.
    """
    running = Instance(
        tmp_path_factory.mktemp("instance"),
        chest_xray_gate="0",
        maisi_quality_tries="1",
    )
    running.start()
    try:
        seconds = running.wait_ready()
        print(f"\nready {seconds:.1f} s after its start")
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def gated(instance, tmp_path_factory) -> Iterator[Instance]:
    """A second gateway on the first one's Triton, which refuses what is no chest film."""
    running = Instance(tmp_path_factory.mktemp("gated"), triton_url=instance.triton_url)
    running.start()
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


@pytest.fixture
def new_instance(tmp_path) -> Iterator[Callable[..., Instance]]:
    """Make instances that end with the test; they are not started yet."""
    made: list[Instance] = []

    def make(name: str = "instance", **settings: str) -> Instance:
        made.append(Instance(tmp_path / name, **{"chest_xray_gate": "0", **settings}))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture(scope="session")
def film(tmp_path_factory) -> Path:
    """A synthetic chest film, 12 bit."""
    path = tmp_path_factory.mktemp("film") / "film.dcm"
    path.write_bytes(_synthetic_film())
    return path


def _synthetic_film() -> bytes:
    if importlib.util.find_spec("tools.phantoms.chest_film") is None:
        return canary_film()
    from tools.phantoms.chest_film import chest_film_dicom

    return chest_film_dicom(1, patient_id="PAT001", patient_name="Doe^John")


@pytest.fixture(scope="session")
def real_films() -> Path:
    """The folder of real films."""
    if not DICOM.is_dir():
        pytest.skip("the real films are not on this machine")
    return DICOM
