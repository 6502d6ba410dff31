"""Where jobs keep what they fetched and made: a folder each, below names of ours, never of a caller's.

What a job has done is told by what lies there, so that one that goes on elsewhere, without its folder, does
it again.
"""

import asyncio
import contextlib
import shutil
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Generic, TypeVar

from gateway.errors import NotFound
from gateway.jobs.engine import JobEngine, JobState

SWEEP_SECONDS = 600.0


class JobFolder:
    """One job's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """Make it, readable to us alone."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


F = TypeVar("F", bound=JobFolder)


class JobFolders(Generic[F]):
    """The folders of all jobs of one kind on one instance; `kind` makes one of its path."""

    def __init__(self, root: Path, kind: Callable[[Path], F]) -> None:
        self.root = root
        self._kind = kind

    def of(self, job_id: str) -> F:
        """Give a job's; it is not made yet."""
        return self._kind(self.root / uuid.UUID(job_id).hex)

    def job_ids(self) -> list[str]:
        """List the jobs that have one."""
        if not self.root.is_dir():
            return []
        return [str(uuid.UUID(path.name)) for path in self.root.iterdir() if _is_id(path.name)]

    def free_bytes(self) -> int:
        """Give the room that is left."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return shutil.disk_usage(self.root).free

    async def sweep(self, engine: JobEngine, *, keep: timedelta = timedelta()) -> None:
        """Remove, for ever, what ended jobs left behind; what succeeded is kept for a while.

        Their process was killed, or another one ended them, or nobody fetched what they made.
        """
        while True:
            for job_id in await asyncio.to_thread(self.job_ids):
                with contextlib.suppress(OSError):
                    if await _is_over(engine, job_id, keep):
                        await asyncio.to_thread(self.of(job_id).remove)
            await asyncio.sleep(SWEEP_SECONDS)


async def _is_over(engine: JobEngine, job_id: str, keep: timedelta) -> bool:
    try:
        job = await engine.status(job_id, account=None)
    except NotFound:
        return True
    if job.finished_at is None:
        return False
    return job.state is not JobState.SUCCEEDED or datetime.now(timezone.utc) - job.finished_at >= keep


def _is_id(name: str) -> bool:
    return len(name) == 32 and set(name) <= set("0123456789abcdef")
