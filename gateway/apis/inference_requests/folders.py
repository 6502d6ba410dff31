"""Where a job keeps what it fetched and made, until its end.

All names are ids or digests; the results have UIDs that stay the same.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.jobs.folders import JobFolder, JobFolders

DICOM, EHR, RESULTS = "dcm", "ehr", "results"
_DONE = "retrieved"
_OUTCOME, _FHIR = "outcome.json", "fhir.json"


class RequestFolder(JobFolder):
    """One job's folder; it is made on first use."""

    def make(self) -> None:
        """Make it, readable to us alone."""
        for each in (self.path, self.path / DICOM, self.path / EHR, self.path / RESULTS):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)

    # What was fetched

    def incoming(self) -> Path:
        """Give a new empty folder for what is on its way."""
        path = self.path / f"in-{uuid.uuid4().hex}"
        path.mkdir(mode=0o700)
        return path

    def keep(self, file: Path) -> None:
        """Take a received instance in, unless it is there from an earlier source."""
        kept = self.path / DICOM / file.name
        if kept.exists():
            file.unlink()
        else:
            os.replace(file, kept)

    def keep_resource(self, key: str, body: bytes, suffix: str) -> None:
        """Take a FHIR resource in."""
        _write(self.path / EHR / f"{key}.{suffix}", body)

    def names(self) -> list[str]:
        """List the instances that are here, in an order that stays."""
        return sorted(path.name for path in (self.path / DICOM).glob("*.dcm"))

    def has_resources(self) -> bool:
        """Whether a FHIR resource is here."""
        return any((self.path / EHR).iterdir())

    def instance(self, name: str) -> Path:
        """Give the file of an instance."""
        return self.path / DICOM / name

    def mark(self, key: str) -> None:
        """Note that something was retrieved as a whole."""
        with (self.path / _DONE).open("a") as marks:
            marks.write(f"{key}\n")

    def marks(self) -> set[str]:
        """Give what was noted."""
        try:
            return set((self.path / _DONE).read_text().split())
        except FileNotFoundError:
            return set()

    # What was made

    def put_results(
        self, name: str, outcome: dict[str, Any], dicom: Sequence[bytes] = (), fhir: Sequence[Any] = ()
    ) -> None:
        """Keep an instance's results; they are there when the outcome is."""
        folder = self.path / RESULTS / name
        folder.mkdir(mode=0o700, exist_ok=True)
        for number, file in enumerate(dicom):
            _write(folder / f"{number}.dcm", file)
        _write(folder / _FHIR, json.dumps(list(fhir)).encode())
        _write(folder / _OUTCOME, json.dumps(outcome).encode())

    def outcome(self, name: str) -> dict[str, Any] | None:
        """Give how an instance ended; None where it has not, or not here."""
        try:
            found: dict[str, Any] = json.loads((self.path / RESULTS / name / _OUTCOME).read_bytes())
        except FileNotFoundError:
            return None
        return found

    def result_files(self, name: str) -> list[Path]:
        """List an instance's DICOM results."""
        return sorted((self.path / RESULTS / name).glob("*.dcm"))

    def resources(self, name: str) -> list[dict[str, Any]]:
        """Give an instance's FHIR resources, in the order in which they are to be stored."""
        try:
            found: list[dict[str, Any]] = json.loads((self.path / RESULTS / name / _FHIR).read_bytes())
        except FileNotFoundError:
            return []
        return found


RequestFolders = JobFolders[RequestFolder]


def key(*parts: str | None) -> str:
    """Make a name of what comes from outside."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def _write(path: Path, data: bytes) -> None:
    """Write a file that is there as a whole or not at all."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    draft.write_bytes(data)
    os.replace(draft, path)
