"""Who in this process waits for news of which job."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator


class Notices:
    """Wakes those who watch a job; what has changed they read themselves."""

    def __init__(self) -> None:
        self._watchers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def tell(self, job_id: str) -> None:
        """Wake everyone who watches this job."""
        for event in self._watchers.get(job_id, ()):
            event.set()

    @contextlib.contextmanager
    def watching(self, job_id: str) -> Iterator[asyncio.Event]:
        """Give an event that is set at each change; who waits for it clears it."""
        event = asyncio.Event()
        self._watchers[job_id].add(event)
        try:
            yield event
        finally:
            self._watchers[job_id].discard(event)
            if not self._watchers[job_id]:
                del self._watchers[job_id]
