"""The seam: what an API may ask of jobs, and what the work of a job may ask of its engine.

A kind of work is an async function `(job_id, context)`, registered by name. It runs at least once:
after a crash it starts again from the top, and the steps and items that it finished are skipped. What
it does outside of steps must therefore bear a repetition, and what it does to our own tables belongs
in `context.transaction()`, which lets one attempt only through.
"""

import enum
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.jobs.items import Items

T = TypeVar("T")
LEAST_PRIORITY = 2**31 - 1
_NAMESPACE = uuid.UUID("0f5b8f2c-6f0e-5c1a-9a53-0d0f6a7a3c11")


class JobState(str, enum.Enum):
    """Where a job stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Work that someone asks for.

    Parameters
    ----------
    external_id
        The caller's own name for it, unique within an account and API. The same one again is the
        same job, and with another request a conflict.
    request
        What the work needs, as JSON; paths may stand in it. It stays in our own database.
    queue, priority
        Where it waits; a lower priority, 1 at least, runs first.
    secret
        Credentials, encrypted by the caller; erased when the job ends.
    """

    api: str
    account: str
    external_id: str
    kind: str
    request: Mapping[str, Any]
    queue: str
    priority: int = 128
    secret: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.priority <= LEAST_PRIORITY:
            raise ValueError(f"a priority of {self.priority} is not between 1 and {LEAST_PRIORITY}")

    @property
    def job_id(self) -> str:
        """The job's id; nothing about the caller can be read from it."""
        return job_id_of(self.api, self.account, self.external_id)

    @property
    def body_sha256(self) -> str:
        """What tells a repetition from another request under the same name."""
        return hashlib.sha256(json.dumps([self.kind, self.request], sort_keys=True).encode()).hexdigest()


def job_id_of(api: str, account: str, external_id: str) -> str:
    """Give the id of the job that was submitted under this name."""
    return str(uuid.uuid5(_NAMESPACE, json.dumps([api, account, external_id])))


class JobError(NamedTuple):
    """Why a job failed, in a code for programs and a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """A job as its owner sees it."""

    id: str
    api: str
    account: str
    external_id: str
    kind: str
    priority: int = 128
    state: JobState
    cancel_requested: bool
    phase: str
    done: int
    failed: int
    total: int | None
    detail: Any
    result: Any
    error: JobError | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self.finished_at is not None


class Accepted(NamedTuple):
    """Answer to a submission; `is_new` is false for a repetition."""

    status: JobStatus
    is_new: bool


class JobCancelled(Exception):
    """Raised by the work of a job, or by its context, to end it as cancelled."""


class JobContext(Protocol):
    """What the work of a job gets from its engine."""

    @property
    def account(self) -> str:
        """Whose job it is."""

    @property
    def request(self) -> Mapping[str, Any]:
        """What was submitted."""

    @property
    def secret(self) -> bytes | None:
        """The encrypted credentials that were submitted."""

    @property
    def attempt(self) -> int:
        """1 at the first start, more after an interruption."""

    def is_cancelled(self) -> bool:
        """Tell whether someone asked the job to end; the work then raises `JobCancelled`. Costs nothing."""

    def progress(
        self,
        *,
        done: int | None = None,
        failed: int | None = None,
        total: int | None = None,
        phase: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Say how far the work has come; `detail` is JSON. Costs nothing: it is written twice a second."""

    async def step(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """Run a part that later attempts skip: they get its result, which must be JSON, from our tables.

        Raises `JobCancelled` before it starts a part that nobody wants any more.
        """

    async def items(self, list_names: Callable[[], Awaitable[Iterable[str]]]) -> Items:
        """Give the job's list of items; `list_names` is asked once, at the first attempt."""

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a transaction on our database that fails if another process has taken this job over.

        Keep it short: SQLite has one writer.
        """

    async def in_thread(self, function: Callable[..., T], *arguments: Any, pool: str = "default") -> T:
        """Run blocking or heavy code in one of the engine's own thread pools."""


JobFunction = Callable[[str, JobContext], Awaitable[Any]]
"""The work of one kind; what it returns, as JSON, is the job's result."""


class JobEngine(Protocol):
    """What APIs ask of jobs. `account=None` is for operators, who see every account's."""

    async def submit(self, submission: Submission) -> Accepted:
        """Accept a job for good: it survives the process. Raises Conflict on another request's name."""

    async def status(self, job_id: str, *, account: str | None) -> JobStatus:
        """Look a job up. Raises NotFound, also where it is another account's."""

    async def latest(self, api: str, *, account: str, prefix: str) -> JobStatus | None:
        """Look up the account's job with the greatest external id that begins so."""

    async def cancel(self, job_id: str, *, account: str | None) -> JobStatus:
        """Take a waiting job out, ask a running one to end; one that has ended stays as it is."""

    def watch(self, job_id: str, *, account: str | None) -> AsyncIterator[JobStatus]:
        """Give the status now and after each change, in whichever process; ends with the job."""

    async def recover(self) -> int:
        """Queue every accepted job again that the queue has lost; gives how many."""
