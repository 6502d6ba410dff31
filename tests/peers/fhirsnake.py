"""A real FHIR server, fhirsnake from PyPI: read, create and update in memory, JSON, no authentication."""

import contextlib
import importlib.util
import json
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tools.at_hand import free_ports
from tools.servers import running


@dataclass(frozen=True)
class Fhirsnake:
    """A running server."""

    port: int

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def resources(self, resource_type: str) -> list[Mapping[str, Any]]:
        """Give all resources of a type."""
        with urllib.request.urlopen(f"{self.uri}{resource_type}", timeout=10) as answer:
            return [entry["resource"] for entry in json.load(answer)["entry"]]


@contextlib.contextmanager
def running_fhirsnake(folder: Path, resources: Iterable[Mapping[str, Any]] = ()) -> Iterator[Fhirsnake]:
    """Run a server that begins with some resources."""
    found = importlib.util.find_spec("fhirsnake")
    if found is None or found.submodule_search_locations is None:
        pytest.skip("fhirsnake is not installed: pip install fhirsnake")
    (folder / "resources").mkdir()
    for resource in resources:
        place = folder / "resources" / resource["resourceType"]
        place.mkdir(exist_ok=True)
        (place / f"{resource['id']}.json").write_text(json.dumps(resource))
    port = free_ports(1)[0]
    # Its modules import one another by bare names, so its folder has to be on the path.
    program = ["-m", "uvicorn", "main:app", "--app-dir", next(iter(found.submodule_search_locations))]
    with running([sys.executable, *program, "--host", "127.0.0.1", "--port", str(port)], folder, port):
        yield Fhirsnake(port)
