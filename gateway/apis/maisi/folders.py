"""Where a job keeps its volumes and their files: below names of ours, in one folder per job.

What a job has done is told by what lies here: a volume whose record is there is complete. One that goes on
elsewhere, without its folder, makes the same again, for its seed and its times come with the job.
"""

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

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


class JobFolder:
    """One job's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.archive = path / ARCHIVE

    def make(self) -> None:
        """Make it, readable to us alone."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def sample(self, index: int) -> SampleFolder:
        """Give the folder of a volume, counted from 0."""
        return SampleFolder(self.path / f"{index:05}")

    def files(self, samples: int) -> list[Path]:
        """List the files of all volumes, and the folders of files among them, in an order that stays."""
        return [path for index in range(samples) for path in sorted(self.sample(index).files.iterdir())]

    def free_bytes(self) -> int:
        """Give the room that is left."""
        return shutil.disk_usage(self.path).free


class JobFolders:
    """The folders of all jobs of one instance."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def of(self, job_id: str) -> JobFolder:
        """Give a job's."""
        return JobFolder(self.root / uuid.UUID(job_id).hex)

    def job_ids(self) -> list[str]:
        """List the jobs that have one."""
        if not self.root.is_dir():
            return []
        return [str(uuid.UUID(path.name)) for path in self.root.iterdir() if _is_id(path.name)]


def _is_id(name: str) -> bool:
    return len(name) == 32 and set(name) <= set("0123456789abcdef")
