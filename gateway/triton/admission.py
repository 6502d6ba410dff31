"""Who goes next: a bounded number of requests in each model, the rest waiting by priority, then age.

Triton's own priorities and queue policies stall its batcher in steps of half a second, and a request once
handed over cannot be taken back out of an ensemble. So the queue is here: Triton is given no more than
it can work on, and a request whose deadline has passed is never handed over.
"""

import asyncio
import contextlib
import heapq
import itertools
import time
from collections.abc import AsyncIterator, Callable

from gateway.errors import InferenceTimeout
from gateway.metrics import ADMISSION_IN_FLIGHT, ADMISSION_WAITING

INTERACTIVE = 100
"""Priority of a caller who waits for the answer."""
BULK = 200
"""Priority of work that nobody waits for; larger numbers go later."""


class Admission:
    """The turnstile of one model.

    Parameters
    ----------
    model
        Its name, for the metrics.
    in_flight
        How many requests the model may hold at a time.
    clock
        Seconds, monotonic.
    """

    def __init__(self, model: str, *, in_flight: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._free = in_flight
        self._clock = clock
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, float, asyncio.Future[None]]] = []

    @contextlib.asynccontextmanager
    async def turn(
        self, *, priority: int = INTERACTIVE, timeout_seconds: float = 60.0
    ) -> AsyncIterator[float]:
        """Wait for a turn and hold it; yields the seconds that are left until the deadline.

        Raises
        ------
        InferenceTimeout
            The turn did not come before the deadline.
        """
        deadline = self._clock() + timeout_seconds
        await self._enter(priority, deadline)
        ADMISSION_IN_FLIGHT.labels(self._model).inc()
        try:
            yield deadline - self._clock()
        finally:
            ADMISSION_IN_FLIGHT.labels(self._model).dec()
            self._free += 1
            self._release()

    async def _enter(self, priority: int, deadline: float) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), deadline, turn))
        ADMISSION_WAITING.labels(self._model).inc()
        try:
            await asyncio.wait_for(turn, max(0.0, deadline - self._clock()))
        except asyncio.TimeoutError as error:
            raise InferenceTimeout(f"{self._model} had no free place in time") from error
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # The turn came in the same moment: pass it on.
                self._free += 1
                self._release()
            raise
        finally:
            ADMISSION_WAITING.labels(self._model).dec()

    def _release(self) -> None:
        now = self._clock()
        while self._free and self._waiting:
            _, _, deadline, turn = heapq.heappop(self._waiting)
            if turn.done() or deadline <= now:
                continue
            self._free -= 1
            turn.set_result(None)
