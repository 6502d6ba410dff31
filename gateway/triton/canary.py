"""Truth about what runs: a known input goes through each pipeline, and what does not come back is healed.

Triton's own readiness stays green after a Python stub has died, and Triton 24.10 never revives the stub.
So readiness here means that an inference came back a moment ago, and an embedded server that lost a part
of itself is restarted.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from gateway.errors import GatewayError, InferenceTimeout
from gateway.metrics import PIPELINE_READY, TRITON_RESTARTS

logger = logging.getLogger(__name__)

Probe = Callable[[], Awaitable[None]]
"""Sends the pipeline's known input and raises a GatewayError unless the known answer comes back."""

TICK_SECONDS = 0.5
PROBE_PERIOD_SECONDS = 5.0
FAILURES_BEFORE_HEALING = 2
MAX_RESTART_PAUSE_SECONDS = 60.0
SILENCE_SECONDS = 60.0
"""How long a starting or overloaded server may go without an answer before it counts as broken."""


class Server(Protocol):
    """A Triton that is ours to restart."""

    def is_whole(self) -> bool:
        """Whether the server and all its stubs are alive."""
        ...

    async def restart(self) -> None:
        """Replace the server's process."""
        ...


class Canary:
    """Readiness by pipeline, and the healing of an embedded server.

    Parameters
    ----------
    probes
        Pipeline name to probe.
    server
        The embedded server; None where Triton is not ours to restart.
    """

    def __init__(
        self,
        probes: Mapping[str, Probe],
        server: Server | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probes: dict[str, Probe] = {}
        self._server = server
        self._clock = clock
        self._ready: dict[str, bool] = {}
        self._seen: set[str] = set()
        self._failures = 0
        self._patient_until = clock() + SILENCE_SECONDS
        self._next_round = 0.0
        self._vain_restarts = 0
        self._next_restart = 0.0
        for pipeline, probe in probes.items():
            self.watch(pipeline, probe)

    def watch(self, pipeline: str, probe: Probe) -> None:
        """Take a pipeline in; it is not ready yet."""
        self._probes[pipeline] = probe
        self._ready[pipeline] = False

    @property
    def ready(self) -> dict[str, bool]:
        """Pipeline name to whether its last canary came back."""
        return dict(self._ready)

    def doubt(self, pipeline: str) -> None:
        """Report that a pipeline failed in its own right: not ready until a canary, now, says otherwise."""
        self._set(pipeline, False)
        self._next_round = 0.0

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            await self.tick()
            await asyncio.sleep(TICK_SECONDS)

    async def tick(self) -> None:
        """Restart a server that lost a part of itself; probe when it is time to."""
        if self._server is not None and not self._server.is_whole():
            await self._restart("a process of it died")
        elif self._clock() >= self._next_round:
            await self._round()

    async def _round(self) -> None:
        for pipeline, probe in self._probes.items():
            self._set(pipeline, await self._comes_back(pipeline, probe))
        if all(self._ready.values()):
            self._failures = self._vain_restarts = 0
            self._next_restart = 0.0
            self._patient_until = self._clock() + SILENCE_SECONDS
            self._next_round = self._clock() + PROBE_PERIOD_SECONDS
        elif self._failures >= FAILURES_BEFORE_HEALING or self._clock() >= self._patient_until:
            await self._restart("canaries did not come back")

    async def _comes_back(self, pipeline: str, probe: Probe) -> bool:
        try:
            await probe()
        except InferenceTimeout:
            return False  # overloaded perhaps: patience
        except GatewayError as error:
            logger.debug("canary of %s: %s", pipeline, error.message)
            # While the server starts, refusals are as it should be.
            self._failures += pipeline in self._seen
            return False
        self._seen.add(pipeline)
        return True

    async def _restart(self, reason: str) -> None:
        for pipeline in self._probes:
            self._set(pipeline, False)
        self._failures = 0
        self._next_round = 0.0
        self._seen.clear()
        self._patient_until = self._clock() + SILENCE_SECONDS
        if self._server is None or self._clock() < self._next_restart:
            return
        logger.error("restarting the embedded Triton: %s", reason)
        TRITON_RESTARTS.inc()
        await self._server.restart()
        self._patient_until = self._clock() + SILENCE_SECONDS
        # One that cannot load its models would else be restarted twice a second, for ever.
        self._next_restart = self._clock() + min(2.0**self._vain_restarts - 1, MAX_RESTART_PAUSE_SECONDS)
        self._vain_restarts += 1

    def _set(self, pipeline: str, ready: bool) -> None:
        if self._ready[pipeline] != ready:
            logger.log(
                logging.INFO if ready else logging.WARNING,
                "%s is %s",
                pipeline,
                "ready" if ready else "not ready",
            )
        self._ready[pipeline] = ready
        PIPELINE_READY.labels(pipeline).set(ready)
