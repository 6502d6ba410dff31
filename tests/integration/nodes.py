"""Nodes of a cluster: trees of processes that can be killed and, on a network, cut off from each other."""

import contextlib
import http.client
import os
import pwd
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import grpc
import psycopg
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tests.integration.processes import tree, wait_until
from tests.storage.databases import new_server

ROOT = Path(__file__).parents[2]
GRPC_PORT, METRICS_PORT, POSTGRES_PORT = 8001, 8002, 5432
START_SECONDS = 240.0


class Link(NamedTuple):
    """A network namespace with one address, on a bridge.

    Attributes
    ----------
    port
        The bridge's end of its cable.
    """

    namespace: str
    address: str
    port: str

    def inside(self, command: list[str]) -> list[str]:
        """Give the command that runs another one there, as the same process."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *command]

    def cut(self) -> None:
        """Lose every packet from now on; nobody is told, as behind a switch that died."""
        _ip("link", "set", "dev", self.port, "type", "bridge_slave", "state", "0")

    def heal(self) -> None:
        """Let packets through again."""
        _ip("link", "set", "dev", self.port, "type", "bridge_slave", "state", "3")


class Network:
    """A bridge, this machine at its first address, and namespaces on it."""

    def __init__(self) -> None:
        self._name = f"rg{os.getpid()}"
        self._prefix = f"198.18.{os.getpid() % 256}"  # RFC 2544: nobody's but tests'
        self._links: list[Link] = []

    def open(self) -> None:
        """Make the bridge; skips the test where that is not permitted."""
        if sys.platform != "linux" or not shutil.which("ip") or not shutil.which("nsenter"):
            pytest.skip("network namespaces need Linux with iproute2 and util-linux")
        try:
            _ip("link", "add", self._name, "type", "bridge")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not permitted here: {error.stderr.strip()}")
        _ip("link", "set", self._name, "up")
        _ip("address", "add", f"{self._prefix}.1/24", "dev", self._name)

    def link(self) -> Link:
        """Make a namespace with the next address."""
        number = len(self._links) + 2
        link = Link(f"{self._name}-{number}", f"{self._prefix}.{number}", f"{self._name}p{number}")
        _ip("netns", "add", link.namespace)
        self._links.append(link)
        _ip("link", "add", link.port, "type", "veth", "peer", "name", "eth0", "netns", link.namespace)
        _ip("link", "set", link.port, "master", self._name, "up")
        for device in ("lo", "eth0"):
            _ip("-n", link.namespace, "link", "set", device, "up")
        _ip("-n", link.namespace, "address", "add", f"{link.address}/24", "dev", "eth0")
        return link

    def close(self) -> None:
        """Remove all of it; nodes are to be stopped before."""
        for link in self._links:
            _ip("netns", "delete", link.namespace)
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("link", "delete", self._name)


class Node:
    """A process and all that descends from it.

    Parameters
    ----------
    folder
        Holds its log, and what it keeps.
    link
        Where it is on a network; on this machine's own unless given.
    """

    def __init__(self, folder: Path, link: Link | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.name = folder.name
        self.link = link
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def address(self) -> str:
        """Where others find it."""
        return self.link.address if self.link else "127.0.0.1"

    def command(self) -> list[str]:
        """Give what to run."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Give the variables beside this process's own."""
        return {}

    def is_ready(self) -> bool:
        """Ask it."""
        raise NotImplementedError

    def start(self) -> None:
        """Run it."""
        command = self.command()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RADGATE_")}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.link.inside(command) if self.link else command,
                env={**kept, "PYTHONPATH": str(ROOT), **self.environment()},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_ready(self) -> float:
        """Wait until it serves; gives the seconds that it took."""

        def ready() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, self.log[-2000:]
            return self.is_ready()

        try:
            return wait_until(ready, START_SECONDS, f"{self.name} is ready", every=0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log[-3000:]}") from None

    def kill(self) -> None:
        """End it and all that it started, at once and without a word."""
        assert self._process is not None
        for each in tree(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                each.kill()
        self._process.wait(10)

    def stop(self) -> None:
        """Let its requests end, then end it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()


class TritonNode(Node):
    """A Triton over some models.

    Parameters
    ----------
    repository
        Folder of models.
    """

    def __init__(
        self,
        folder: Path,
        repository: Path,
        link: Link | None = None,
        *,
        grpc_port: int = GRPC_PORT,
        metrics_port: int = METRICS_PORT,
    ) -> None:
        super().__init__(folder, link)
        self.repository = repository
        self.ports = (grpc_port, metrics_port)
        self.url = f"{self.address}:{grpc_port}"

    def command(self) -> list[str]:
        arguments = [str(self.repository), str(self.folder / "state"), *map(str, self.ports), self.address]
        return [sys.executable, "-m", "tests.integration.triton_node", *arguments]

    def is_ready(self) -> bool:
        with grpc.insecure_channel(self.url) as channel, contextlib.suppress(grpc.RpcError):
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            return bool(stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=5).ready)
        return False


class PostgresNode(Node):
    """A PostgreSQL whose one user anyone may be; as root it runs as another user, as it demands."""

    def __init__(self, folder: Path, link: Link) -> None:
        super().__init__(folder, link)
        server = new_server(cleanup_mode="stop")  # it makes the folder, as the right user
        self._data = server.pgdata
        self._program = server.bin_path / "postgres"
        self._user = server.system_user
        server.cleanup()
        with (self._data / "pg_hba.conf").open("a") as file:
            file.write("host all all 0.0.0.0/0 trust\n")
        self.url = f"postgresql://postgres@{self.address}:{POSTGRES_PORT}/postgres"

    def command(self) -> list[str]:
        # fsync: processes are killed here, the machine is not.
        settings = [f"listen_addresses={self.address}", "unix_socket_directories=", "fsync=off"]
        options = [word for setting in settings for word in ("-c", setting)]
        command = [str(self._program), "-D", str(self._data), *options]
        if self._user is None:
            return command
        user = pwd.getpwnam(self._user)
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]

    def is_ready(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url, connect_timeout=2).close()
            return True
        return False

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self._data, ignore_errors=True)


class GatewayNode(Node):
    """A gateway or a worker, with the ports of its contracts.

    Parameters
    ----------
    settings
        `role="worker"` is the variable RADGATE_ROLE, and so on.
    """

    vhs_port, chest_xray_port, admin_port = 8080, 8500, 9090

    def __init__(self, folder: Path, link: Link, **settings: str) -> None:
        super().__init__(folder, link)
        self._settings = {
            "data_dir": str(folder / "data"),
            "host": self.address,
            "admin_host": self.address,
            "executor_id": self.name,
            **settings,
        }

    def command(self) -> list[str]:
        return [sys.executable, "-m", "gateway"]

    def environment(self) -> dict[str, str]:
        return {f"RADGATE_{name.upper()}": value for name, value in self._settings.items()}

    def is_ready(self) -> bool:
        url = f"http://{self.address}:{self.admin_port}/ready"
        with contextlib.suppress(OSError, http.client.HTTPException), urllib.request.urlopen(url, timeout=2):
            return True
        return False

    def metric(self, line: str) -> float:
        """Read one of its metrics, named as it stands there with its labels."""
        with urllib.request.urlopen(f"http://{self.address}:{self.admin_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        (found,) = [each for each in lines if each.startswith(line + " ")]
        return float(found.split()[-1])


def is_well(nodes: list[Node], seconds: float = START_SECONDS) -> float:
    """Wait until every node serves; gives the seconds that it took."""
    started = time.monotonic()
    for node in nodes:
        wait_until(node.is_ready, seconds, f"{node.name} is ready", every=0.2)
    return time.monotonic() - started


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
