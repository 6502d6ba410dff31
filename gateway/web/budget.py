"""How much this process takes in at a time: bytes of bodies, and requests of one caller."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from gateway.errors import Busy, RateLimited
from gateway.metrics import BODY_BYTES

RETRY_AFTER_SECONDS = 5


class Share:
    """What one request holds of a budget."""

    def __init__(self, budget: "ByteBudget") -> None:
        self._budget = budget
        self.held_bytes = 0

    def grow_to(self, held_bytes: int) -> None:
        """Hold this much, if it is more than now.

        Raises
        ------
        Busy
            The budget does not allow it.
        """
        self._budget.take(max(0, held_bytes - self.held_bytes))
        self.held_bytes = max(self.held_bytes, held_bytes)


class ByteBudget:
    """Bytes that bodies may take together, from before they are read until their requests are done with.

    Parameters
    ----------
    total_bytes
        All of it.
    """

    def __init__(self, total_bytes: int) -> None:
        self._free = total_bytes

    @contextlib.contextmanager
    def share(self) -> Iterator[Share]:
        """Hold a share, empty at first, and give it back at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            self.take(-share.held_bytes)

    def take(self, count: int) -> None:
        """Take bytes out, or put them back where `count` is negative."""
        if count > self._free:
            raise Busy("Server is busy", retry_after_seconds=RETRY_AFTER_SECONDS)
        self._free -= count
        BODY_BYTES.inc(count)


class Places:
    """Requests of one caller at a time.

    Parameters
    ----------
    most
        How many; 0 for any number.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def place(self, caller: str) -> Iterator[None]:
        """Hold one of the caller's places.

        Raises
        ------
        RateLimited
            All are taken.
        """
        if self._most and self._taken[caller] >= self._most:
            raise RateLimited("Too many requests", retry_after_seconds=1)
        self._taken[caller] += 1
        try:
            yield
        finally:
            self._taken[caller] -= 1
            self._taken += Counter()  # forget those who have none
