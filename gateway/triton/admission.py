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
from collections.abc import AsyncIterator, Callable, Iterator

from gateway.errors import InferenceTimeout
from gateway.metrics import ADMISSION_IN_FLIGHT, ADMISSION_WAITING

INTERACTIVE = 100
"""Priority of a caller who waits for the answer."""
BULK = 300
"""Priority of work that nobody waits for; larger numbers go later, smaller ones sooner."""
CALM_SECONDS = 0.5
"""How long after the last interactive request work that nobody waits for takes all its places again."""


class Admission:
    """The turnstile of one model.

    While interactive requests come, work that nobody waits for gets one place: it goes on, slowly, and
    whoever waits for an answer does not share the machine with more of it.

    Parameters
    ----------
    model
        Its name, for the metrics.
    in_flight
        How many requests the model may hold at a time.
    background
        How many of them may be work that nobody waits for; all but one unless given.
    clock
        Seconds, monotonic.

    Attributes
    ----------
    in_flight
        As given.
    """

    def __init__(
        self,
        model: str,
        *,
        in_flight: int,
        background: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self.in_flight = self._free = in_flight
        self._most_in_background = max(1, in_flight - 1) if background is None else background
        self._in_background = 0
        self._callers = 0
        self._last_caller = -CALM_SECONDS
        self._look_again: asyncio.TimerHandle | None = None
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
        with self._calling(priority):
            await self._enter(priority, deadline)
            ADMISSION_IN_FLIGHT.labels(self._model).inc()
            try:
                yield deadline - self._clock()
            finally:
                ADMISSION_IN_FLIGHT.labels(self._model).dec()
                self._leave(priority)

    @contextlib.contextmanager
    def _calling(self, priority: int) -> Iterator[None]:
        """Count who waits for an answer, from its arrival on."""
        is_caller = priority <= INTERACTIVE
        self._callers += is_caller
        try:
            yield
        finally:
            if is_caller:
                self._callers -= 1
                self._last_caller = self._clock()
                self._release()

    async def _enter(self, priority: int, deadline: float) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), deadline, turn))
        self._release()
        if turn.done():
            return
        ADMISSION_WAITING.labels(self._model).inc()
        try:
            await asyncio.wait_for(turn, max(0.0, deadline - self._clock()))
        except asyncio.TimeoutError as error:
            raise InferenceTimeout(f"{self._model} had no free place in time") from error
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(priority)  # the turn came in the same moment: pass it on
            raise
        finally:
            ADMISSION_WAITING.labels(self._model).dec()

    def _leave(self, priority: int) -> None:
        self._free += 1
        self._in_background -= priority > INTERACTIVE
        self._release()

    def _release(self) -> None:
        now = self._clock()
        while self._free and self._waiting:
            priority, _, deadline, turn = self._waiting[0]
            is_gone = turn.done() or deadline <= now
            if not is_gone and priority > INTERACTIVE and not self._has_room_in_background():
                return
            heapq.heappop(self._waiting)
            if not is_gone:
                self._free -= 1
                self._in_background += priority > INTERACTIVE
                turn.set_result(None)

    def _has_room_in_background(self) -> bool:
        calm_in = self._last_caller + CALM_SECONDS - self._clock()
        is_calm = not self._callers and calm_in <= 0
        if not is_calm and not self._callers:
            self._release_in(calm_in)
        return self._in_background < (self._most_in_background if is_calm else 1)

    def _release_in(self, seconds: float) -> None:
        if self._look_again is not None:
            self._look_again.cancel()
        self._look_again = asyncio.get_running_loop().call_later(seconds, self._release)


class Admissions:
    """The turnstiles of one instance: each model has one, whichever APIs its requests come from."""

    def __init__(self) -> None:
        self._admissions: dict[str, Admission] = {}

    def of(self, model: str, *, in_flight: int) -> Admission:
        """Give a model's turnstile; the first who asks says how many it lets in."""
        if model not in self._admissions:
            self._admissions[model] = Admission(model, in_flight=in_flight)
        return self._admissions[model]
