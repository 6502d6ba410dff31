"""What the canary calls ready, and when it has the server restarted."""

import itertools

from gateway.errors import InferenceFailed, InferenceTimeout, ModelUnavailable
from gateway.triton import canary as canary_module
from gateway.triton.canary import Canary


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class RecordingServer:
    """Stands in for the embedded server, whose stubs do not die on demand."""

    def __init__(self) -> None:
        self.whole = True
        self.restarts = 0

    def is_whole(self) -> bool:
        return self.whole

    async def restart(self) -> None:
        self.restarts += 1
        self.whole = True


class Probe:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls = 0

    async def __call__(self) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error


def watched(probe: Probe) -> tuple[Canary, RecordingServer, Clock]:
    server, clock = RecordingServer(), Clock()
    return Canary({"chest_xray": probe}, server, clock=clock), server, clock


async def test_is_not_ready_before_the_first_answer():
    canary, _, _ = watched(Probe())
    assert canary.ready == {"chest_xray": False}
    await canary.tick()
    assert canary.ready == {"chest_xray": True}


async def test_restarts_at_once_when_a_stub_died():
    probe = Probe()
    canary, server, _ = watched(probe)
    await canary.tick()
    server.whole = False
    await canary.tick()
    assert (canary.ready["chest_xray"], server.restarts) == (False, 1)
    await canary.tick()
    assert canary.ready["chest_xray"]


async def test_probes_again_at_once_when_a_request_failed():
    probe = Probe()
    canary, server, _ = watched(probe)
    await canary.tick()
    await canary.tick()
    assert probe.calls == 1
    canary.doubt("chest_xray")
    assert not canary.ready["chest_xray"]
    await canary.tick()
    assert canary.ready["chest_xray"]
    assert (probe.calls, server.restarts) == (2, 0)


async def test_restarts_a_server_whose_canaries_fail_twice():
    probe = Probe()
    canary, server, clock = watched(probe)
    await canary.tick()
    probe.error = InferenceFailed("broken")
    clock.now += canary_module.PROBE_PERIOD_SECONDS
    await canary.tick()
    assert server.restarts == 0
    await canary.tick()
    assert server.restarts == 1


async def test_lets_a_starting_server_take_its_time():
    canary, server, clock = watched(Probe(ModelUnavailable("starting")))
    for _ in range(20):
        await canary.tick()
    assert server.restarts == 0
    clock.now += canary_module.SILENCE_SECONDS
    await canary.tick()
    assert server.restarts == 1


async def test_does_not_restart_a_server_that_is_only_busy():
    probe = Probe()
    canary, server, clock = watched(probe)
    await canary.tick()
    probe.error = InferenceTimeout("busy")
    clock.now += canary_module.PROBE_PERIOD_SECONDS
    for _ in range(5):
        await canary.tick()
    assert (server.restarts, canary.ready["chest_xray"]) == (0, False)


async def test_only_tells_where_the_server_is_not_ours():
    probe = Probe()
    clock = Clock()
    canary = Canary({"chest_xray": probe}, None, clock=clock)
    await canary.tick()
    probe.error = InferenceFailed("broken")
    clock.now += canary_module.PROBE_PERIOD_SECONDS
    for _ in range(5):
        await canary.tick()
    assert canary.ready == {"chest_xray": False}


async def test_pauses_longer_and_longer_between_restarts_that_do_not_help():
    canary, server, clock = watched(Probe(ModelUnavailable("cannot load")))
    times = []
    for _ in range(2400):
        server.whole, before = False, server.restarts
        await canary.tick()
        if server.restarts > before:
            times.append(clock.now)
        clock.now += canary_module.TICK_SECONDS
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[0] <= 1
    assert pauses[-1] == canary_module.MAX_RESTART_PAUSE_SECONDS


async def test_a_success_makes_the_next_restart_immediate_again():
    probe = Probe(ModelUnavailable("cannot load"))
    canary, server, clock = watched(probe)
    for _ in range(6):
        server.whole = False
        await canary.tick()
        clock.now += canary_module.MAX_RESTART_PAUSE_SECONDS
    probe.error, server.whole = None, True
    await canary.tick()
    restarts, server.whole = server.restarts, False
    await canary.tick()
    assert server.restarts == restarts + 1
