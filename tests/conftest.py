"""What many tests need: films, tokens, the fake Triton, and the applications over HTTP."""

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from gateway.accounts.tokens import TokenVerifier, issue
from gateway.apis import chest_xray
from gateway.apis.chest_xray.bulk import Bulk
from gateway.apis.chest_xray.reports import ReportWorkers
from gateway.apis.chest_xray.service import ChestXray
from gateway.app import public_applications
from gateway.files.roots import Roots
from gateway.settings import Settings
from gateway.storage.engine import open_database
from gateway.triton.admission import Admission
from tests.dicom_files import dicom_file, film
from tests.fakes.triton import FakeTriton, chest_xray_answer

FAKE_GPU = Path(__file__).parent / "fakes" / "gpu"
# On a busy machine any example can take long, and says nothing by that.
hypothesis_settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("untimed")

SECRET = "a secret of the tests, thirty-two bytes long or more"


@pytest.fixture
def fake_gpu(monkeypatch):
    """A machine with CuPy and TensorRT, for this process and those it starts; sets their variables."""
    names = ("cupy", "cupyx", "tensorrt")

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] in names]:
            del sys.modules[name]

    def set_variables(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        forget()

    forget()
    monkeypatch.syspath_prepend(str(FAKE_GPU))
    monkeypatch.setenv("PYTHONPATH", str(FAKE_GPU))
    yield set_variables
    forget()


class NoJobs:
    """Stands in for a job engine where no job is begun."""


@pytest.fixture
def no_environment(monkeypatch, tmp_path):
    """Settings see neither this machine's variables nor its .env file."""
    for name in list(os.environ):
        if name.startswith("RADGATE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def input_folder(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


@pytest.fixture
def output_folder(tmp_path):
    """A folder for results that does not exist yet."""
    return tmp_path / "out"


@pytest.fixture
def write_film(input_folder) -> Callable[..., Path]:
    """Write a small synthetic film; attributes are DICOM keywords, None takes one away."""

    def write(name: str = "film.dcm", **attributes: Any) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's, on the hostile values that a test is about
            data = dicom_file(film(), **{"SpecificCharacterSet": "ISO_IR 192", **attributes})
        path = input_folder / name
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def token():
    return issue("tests", secret=SECRET)


@pytest.fixture
def token_with() -> Callable[..., str]:
    """Sign a token with other claims, another secret or another algorithm."""

    def sign(*, secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
        return jwt.encode({"sub": "tests", "exp": time.time() + 600, **claims}, secret, algorithm=algorithm)

    return sign


@pytest.fixture
def triton():
    """The fake, which answers `chest_xray` as in the contract's example; every test ends unbroken."""
    fake = FakeTriton({"chest_xray": chest_xray_answer()})
    yield fake
    assert not fake.broken


@pytest.fixture(scope="session")
def reports():
    """One real worker for all tests: its start costs a second."""
    workers = ReportWorkers(1)
    yield workers
    workers.close()


@pytest.fixture
def make_service(triton, reports) -> Callable[..., ChestXray]:
    def make(in_flight: int = 4, **changes: Any) -> ChestXray:
        options = {
            "input_roots": Roots(),
            "output_roots": Roots(),
            "timeout_seconds": 10.0,
            "site": "Test site",
        }
        admission = Admission("chest_xray", in_flight=in_flight)
        return ChestXray(triton, reports, admission, **{**options, **changes})

    return make


@pytest.fixture
def service(make_service):
    return make_service()


@pytest.fixture
def serve_service(aiohttp_client, no_environment):
    """Serve a service over HTTP; gives a client of its contract's own port, or of the port for all."""

    async def serve(service: ChestXray, *, all_apis: bool = False, bulk: Bulk | None = None):
        settings = Settings()
        without_jobs = Bulk(NoJobs(), input_roots=Roots(), output_roots=Roots())
        api = chest_xray.api_of(settings, service, bulk or without_jobs, TokenVerifier([SECRET]))
        apps = public_applications(settings, [api])
        return await aiohttp_client(apps[settings.port if all_apis else settings.chest_xray_port])

    return serve


@pytest.fixture
async def client(serve_service, service):
    """A client of the chest X-ray API's own port."""
    return await serve_service(service)


@pytest.fixture
async def main_client(serve_service, service):
    """A client of the port that has all APIs."""
    return await serve_service(service, all_apis=True)


@pytest.fixture
def ask(client, token):
    """POST /single_inference with a token; gives the status and the body."""

    async def post(body: Any = None, **fields: Any) -> tuple[int, dict[str, Any]]:
        response = await client.post(
            "/single_inference",
            json=fields if body is None else body,
            headers={"Authorization": token},
        )
        return response.status, await response.json()

    return post


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, bytes | None]]:
    """Give everything below a folder: relative path to content, None for a folder."""

    def take(folder: Path) -> dict[str, bytes | None]:
        return {
            str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
            for path in sorted(folder.rglob("*"))
        }

    return take


@pytest.fixture
def mount_tmpfs(tmp_path):
    """Mount a small filesystem; skips where that is not allowed."""
    mounted: list[Path] = []

    def make(options: str) -> Path:
        point = tmp_path / f"mount{len(mounted)}"
        point.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("may not mount")
        mounted.append(point)
        return point

    yield make
    for point in mounted:
        subprocess.run(["umount", "-l", str(point)], check=True)


@pytest.fixture
async def database(database_url):
    """The database that `database_url` of the test's folder names, open and migrated."""
    opened = await open_database(database_url)
    yield opened
    await opened.close()
