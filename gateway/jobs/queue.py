"""What the engine needs of a queue; nothing but ids ever goes into one."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import NamedTuple, Protocol


class Dispatched(NamedTuple):
    """A job that the queue has handed to an executor and has not got back."""

    job_id: str
    executor_id: str
    queue: str


class DurableQueue(Protocol):
    """Hands each job to one executor at a time, by priority, and remembers that across restarts."""

    async def open(self, run: Callable[[str], Awaitable[None]]) -> None:
        """Begin to hand jobs to `run`; one that raises stays dispatched."""

    async def close(self) -> None:
        """Stop handing out jobs. Those that run must have stopped."""

    async def enqueue(self, job_id: str, *, queue: str, priority: int) -> None:
        """Queue a job; nothing happens if it is known already."""

    async def withdraw(self, job_id: str) -> None:
        """Take a waiting job out."""

    async def states(self, ids: Collection[str]) -> Mapping[str, bool]:
        """Tell which jobs are known: id to whether it still waits or runs."""

    async def dispatched(self) -> list[Dispatched]:
        """List the jobs that are with an executor, alive or not."""

    async def dispatch_again(self, ids: Collection[str], *, queue: str) -> None:
        """Queue dispatched jobs again, for another executor."""

    async def forget(self, ids: Collection[str]) -> None:
        """Delete every trace of jobs that have ended."""
