"""A real Orthanc with its DICOMweb plugin: Debian's packages `orthanc` and `orthanc-dicomweb`.

Its DICOM port is off, and its HTTP port answers this machine only. No service needs to run: each is a process
of its own with a folder of its own.
"""

import contextlib
import json
import os
import shutil
import urllib.request
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.at_hand import free_ports
from tools.servers import running

USER, PASSWORD = "alice", "wonder"
AUTH_ID = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
PLUGINS = (
    "/usr/share/orthanc/plugins/libOrthancDicomWeb.so",
    "/usr/local/share/orthanc/plugins/libOrthancDicomWeb.so",
)


@dataclass(frozen=True)
class Orthanc:
    """A running server."""

    port: int

    @property
    def origin(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def uri(self) -> str:
        """Its DICOMweb service."""
        return f"{self.origin}/dicom-web/"

    def rest(self, path: str, data: bytes | None = None, *, method: str = "GET") -> Any:
        """Ask Orthanc's own REST API, not DICOMweb: what it really holds."""
        request = urllib.request.Request(self.origin + path, data, method=method)
        request.add_header("Authorization", f"Basic {AUTH_ID}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if "json" in answer.headers.get("Content-Type", "") else body

    def add(self, files: Iterable[bytes]) -> None:
        """Store DICOM files."""
        for file in files:
            self.rest("/instances", file, method="POST")

    def sop_instance_uids(self) -> list[str]:
        """List all instances that it holds."""
        return [
            each["MainDicomTags"]["SOPInstanceUID"] for each in self.rest("/instances?expand", method="GET")
        ]

    def file(self, sop_instance_uid: str) -> bytes:
        """Give the file of an instance."""
        found = self.rest("/tools/lookup", sop_instance_uid.encode(), method="POST")
        content: bytes = self.rest(f"/instances/{found[0]['ID']}/file")
        return content

    def clear(self) -> None:
        """Delete everything."""
        for each in self.rest("/patients"):
            self.rest(f"/patients/{each}", method="DELETE")


class NotInstalled(RuntimeError):
    """Orthanc or its plugin is not there."""


def _binary() -> str:
    found = shutil.which("Orthanc", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None or _plugin() is None:
        raise NotInstalled("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")
    return found


def _plugin() -> str | None:
    return next((path for path in PLUGINS if Path(path).exists()), None)


@contextlib.contextmanager
def running_orthanc(folder: Path, *, port: int | None = None, **options: Any) -> Iterator[Orthanc]:
    """Run a server; options are those of its configuration file.

    Raises
    ------
    NotInstalled
    """
    program, port = _binary(), port or free_ports(1)[0]
    configuration = {
        "Name": "tests",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomServerEnabled": False,
        "Plugins": [_plugin()],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        **options,
    }
    (folder / "storage").mkdir(exist_ok=True)
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with running([program, str(folder / "orthanc.json")], folder, port):
        yield Orthanc(port)
