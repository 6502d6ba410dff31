"""A real instance: `python -m gateway` with its Triton, on ports and a folder of its own."""

import asyncio
import contextlib
import hashlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tritonclient import grpc as triton_grpc

from gateway.accounts.keys import ApiKeys
from gateway.accounts.register import Accounts, Terms
from gateway.accounts.secrets import secret_from
from gateway.accounts.tokens import issue
from gateway.errors import Conflict
from gateway.storage.engine import open_database
from tests.integration.processes import Process, process, tree, wait_until
from tools.at_hand import free_ports

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60.0
ANSWER_SECONDS = 90.0
"""No answer takes longer: the gateway's own deadline is 60 s."""
INTERNAL_ERROR = {
    "Result": "Failure",
    "Data": None,
    "Message": "Single Inference failed due to an internal error",
}


class Answer(NamedTuple):
    """What came over HTTP."""

    status: int
    body: Any


class Instance:
    """One gateway process and what it started.

    Parameters
    ----------
    folder
        Holds its data folder and its log.
    settings
        Further settings: `chest_xray_gate="0"` is the variable RADGATE_CHEST_XRAY_GATE.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data_dir = folder / "data"
        self.log = folder / "log"
        ports = free_ports(7)
        self.port, self.chest_xray_port, self.admin_port, self.grpc_port, self.metrics_port = ports[:5]
        self.acr_port, self.maisi_port = ports[5:]
        self._settings = {
            "data_dir": str(self.data_dir),
            "port": str(self.port),
            "chest_xray_port": str(self.chest_xray_port),
            "acr_port": str(self.acr_port),
            "maisi_port": str(self.maisi_port),
            "admin_port": str(self.admin_port),
            "triton_grpc_port": str(self.grpc_port),
            "triton_metrics_port": str(self.metrics_port),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RADGATE_")}
        ours = {f"RADGATE_{name.upper()}": value for name, value in self._settings.items()}
        # The folder it runs in has no `.env`, the folder it is imported from might.
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway"],
                env={**kept, **ours, "PYTHONPATH": str(ROOT)},
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill_everything(self) -> None:
        """End the gateway and all that it started, at once and without a word."""
        for each in self.processes():
            with contextlib.suppress(ProcessLookupError):
                each.kill()
        self.wait_ended(10)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def triton_url(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_ready(self, seconds: float = READY_SECONDS) -> float:
        def ready() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, f"the gateway ended: {self.output[-2000:]}"
            return self.is_ready()

        try:
            return wait_until(ready, seconds, "the instance is ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output[-3000:]}") from None

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/ready", port=self.admin_port).status == 200
        return False

    def wait_ended(self, seconds: float) -> int:
        """Wait for the process to end; gives its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self) -> None:
        """End it and all that it started, whatever state it is in."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(40)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def processes(self) -> list[Process]:
        """The gateway and everything that descends from it."""
        return tree(self.pid)

    def triton(self) -> Process:
        (found,) = self._find("/bin/tritonserver ")
        return found

    def stubs(self, model: str = "") -> list[Process]:
        return self._find("triton_python_backend_stub", f"/{model}" if model else "")

    def isolation_workers(self) -> list[Process]:
        return self._find("gateway.triton.isolation")

    def report_workers(self) -> list[Process]:
        return self._find("multiprocessing.spawn")

    def _find(self, *parts: str) -> list[Process]:
        return [each for each in self.processes() if all(part in each.command for part in parts)]

    def gateway(self) -> Process:
        return process(self.pid)

    def shared_memory(self) -> set[str]:
        """This instance's regions in /dev/shm."""
        state = str((self.data_dir / "triton").resolve())
        prefix = f"radgate_{hashlib.sha256(state.encode()).hexdigest()[:12]}_"
        return {region.name for region in Path("/dev/shm").glob(f"{prefix}*")}

    def token(self) -> str:
        return issue(
            "integration tests", secret=secret_from(None, self.data_dir / "secrets" / "jwt_secret"), days=1
        )

    def key(self, account: str = "Integration tests") -> str:
        """Make an API key of an account, which is opened unless it is there."""
        return asyncio.run(self._key(account))

    async def _key(self, account: str) -> str:
        database = await open_database(f"sqlite:///{self.data_dir / 'app.db'}")
        try:
            with contextlib.suppress(Conflict):
                await Accounts(database).create(account, Terms())
            return (await ApiKeys(database).create(account)).raw
        finally:
            await database.close()

    def get(self, path: str, *, port: int) -> Answer:
        return _exchange(port, "GET", path, None, {}, seconds=5)

    def single_inference(self, film: Path, folder: Path | None, **fields: object) -> Answer:
        """Call the API as its documentation says."""
        body = {"input_image_path": str(film), **fields}
        if folder is not None:
            body["output_folder_path"] = str(folder)
        headers = {"Authorization": self.token(), "Content-Type": "application/json"}
        return _exchange(self.chest_xray_port, "POST", "/single_inference", body, headers, ANSWER_SECONDS)

    def bulk(self, method: str, path: str = "", **fields: object) -> Answer:
        """Call bulk inference; a POST answers at once."""
        headers = {"Authorization": self.token(), "Content-Type": "application/json"}
        headers["Prefer"] = "respond-async"
        body = fields if method == "POST" else None
        return _exchange(self.chest_xray_port, method, f"/bulk_inference{path}", body, headers, seconds=20)

    def predict(self, film: Path) -> dict[str, Any]:
        """Assess a film without saving anything; gives the prediction without the pictures."""
        answer = self.single_inference(film, None, save_to_disk=False)
        assert answer.status == 200, answer.body
        return {key: answer.body["Data"][key] for key in ("result", "findings", "metadata")}

    @contextlib.contextmanager
    def grpc(self) -> Iterator[triton_grpc.InferenceServerClient]:
        with triton_grpc.InferenceServerClient(self.triton_url) as client:
            yield client


def infer(
    client: triton_grpc.InferenceServerClient, dicom: bytes, *, seconds: float = ANSWER_SECONDS
) -> dict[str, Any]:
    """Send a DICOM file over gRPC; gives the prediction, or raises InferenceServerException."""
    tensor = triton_grpc.InferInput("dicom", [1, len(dicom)], "UINT8")
    tensor.set_data_from_numpy(np.frombuffer(dicom, np.uint8)[np.newaxis])
    result = client.infer("chest_xray", [tensor], parameters={"gate": "off"}, client_timeout=seconds)
    prediction: dict[str, Any] = json.loads(result.as_numpy("prediction").item())
    return prediction


def _exchange(
    port: int, method: str, path: str, body: object, headers: dict[str, str], seconds: float
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read()))
    finally:
        connection.close()


def timed(call: Any, *arguments: Any, **keywords: Any) -> tuple[Any, float]:
    """Call something; gives its result and the seconds it took."""
    started = time.monotonic()
    result = call(*arguments, **keywords)
    return result, time.monotonic() - started
