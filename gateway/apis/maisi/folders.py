"""Where a job keeps its volumes and their files.

A volume whose record is there is complete. A job that goes on elsewhere, without its folder, makes the same
again, for its seed and its times come with the job.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from gateway.jobs.folders import JobFolder, JobFolders

ARCHIVE = "output.zip"
_RECORD = "sample.json"


class SampleFolder:
    """One volume's folder: raw voxels while it is made, then its files and its record."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.raw_image, self.raw_labels = path / "image.raw", path / "labels.raw"
        self.files = path / "files"

    def begin(self) -> None:
        """Make it, without what an interrupted attempt left."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.files.mkdir(mode=0o700, parents=True)

    def end(self, record: dict[str, Any]) -> None:
        """Note that all files are there, and give up the raw voxels."""
        draft = self.path / f".{_RECORD}"
        draft.write_text(json.dumps(record))
        os.replace(draft, self.path / _RECORD)
        for raw in (self.raw_image, self.raw_labels):
            raw.unlink(missing_ok=True)

    def record(self) -> dict[str, Any] | None:
        """Give what was noted; None where the volume is not complete."""
        try:
            found: dict[str, Any] = json.loads((self.path / _RECORD).read_bytes())
        except FileNotFoundError:
            return None
        return found


class MaisiFolder(JobFolder):
    """One job's folder."""

    @property
    def archive(self) -> Path:
        """Where all files of the job become one."""
        return self.path / ARCHIVE

    def sample(self, index: int) -> SampleFolder:
        """Give the folder of a volume, counted from 0."""
        return SampleFolder(self.path / f"{index:05}")

    def files(self, samples: int) -> list[Path]:
        """List the files of all volumes, and the folders of files among them, in an order that stays."""
        return [path for index in range(samples) for path in sorted(self.sample(index).files.iterdir())]


MaisiFolders = JobFolders[MaisiFolder]
