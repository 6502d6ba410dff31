"""What goes into the table of jobs and comes out of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class JobRow(NamedTuple):
    """What a caller may know about a job; the columns of these names."""

    id: str
    api: str
    account: str
    external_id: str
    body_sha256: str
    kind: str
    priority: int
    state: str
    cancel_requested: bool
    crash_count: int
    phase: str
    total: int | None
    done: int
    failed: int
    detail: str | None
    result: str | None
    error_code: str | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class StartedRow(NamedTuple):
    """What an attempt needs to run; the columns of these names."""

    id: str
    account: str
    kind: str
    attempt: int
    crash_count: int
    cancel_requested: bool
    request: str
    secret: bytes | None
    phase: str
    total: int | None
    done: int
    failed: int
    detail: str | None


class UnfinishedRow(NamedTuple):
    """What it takes to queue a job; the columns of these names."""

    id: str
    queue: str
    priority: int


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job to keep; the strings are as in the table."""

    id: str
    api: str
    account: str
    external_id: str
    body_sha256: str
    kind: str
    queue: str
    priority: int
    request: str
    secret: bytes | None = None


@dataclass(frozen=True)
class Counts:
    """How far a job has come."""

    phase: str = ""
    done: int = 0
    failed: int = 0
    total: int | None = None
    detail: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a job ended; `state` is one of the finished ones."""

    state: str
    result: str | None = None
    error_code: str | None = None
    error: str | None = None
