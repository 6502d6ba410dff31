"""A process of its own for whatever touches the GPU: its memory is free when it ends, however it ends.

`python -m tools.models.worker target` prints what engines are built for here; `build` and `compare` read an
order, JSON, from standard input. What cannot be done is said in one line on standard error, with exit code 3.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway.triton.networks.engine import EngineUnfit
from gateway.triton.networks.gpu import this_target
from gateway.triton.networks.onnx_runtime import OnnxRuntimeNetwork
from tools.models import parity
from tools.models.tasks import task_of
from tools.models.tensorrt_build import Profile, build_plan, flags_here

CANNOT = 3
TIMING_CACHE = "timing.cache"


@dataclass(frozen=True)
class Order:
    """What is to be built, or compared."""

    model: str
    graph: str
    """Path of the `.onnx` file."""
    precision: parity.Precision
    profile: Profile
    timing_cache: str
    """Path of what earlier builds measured, whether there is one or not."""
    plan: str
    """Path of the plan, or where it is to lie; what a build measured goes beside it."""


def target() -> dict[str, Any]:
    """Describe what engines are built for here."""
    return {"target": asdict(this_target()), "flags": flags_here()}


def build(order: Order) -> dict[str, Any]:
    """Build a plan and compare it."""
    import onnx

    from tools.models.half import halved, unpacked

    plan, timings = Path(order.plan), Path(order.timing_cache)
    started = time.monotonic()
    graph = onnx.load(order.graph)
    typed = halved(graph) if order.precision == "fp16" else unpacked(graph)
    built = build_plan(typed, order.profile, timings.read_bytes() if timings.is_file() else b"")
    seconds = time.monotonic() - started
    plan.write_bytes(built.plan)
    plan.with_name(TIMING_CACHE).write_bytes(built.timing_cache)
    return {"build_seconds": round(seconds, 1), "log": built.messages, **compare(order)}


def compare(order: Order) -> dict[str, Any]:
    """Hold a plan against ONNX Runtime on the CPU."""
    from gateway.triton.networks.tensorrt_plan import TensorRTNetwork

    graph = Path(order.graph)
    inputs = {name: tuple(largest[1:]) for name, (_, _, largest) in order.profile.items()}
    engine = TensorRTNetwork(Path(order.plan).read_bytes())
    reference = OnnxRuntimeNetwork(graph, cpu=True)
    task = task_of(order.model, graph.parent, inputs)
    return {"parity": parity.compare(task, order.precision, reference=reference.run, engine=engine.run)}


def main(arguments: list[str]) -> int:
    """Do one thing; 3 where it cannot be done."""
    work: dict[str, Callable[[], dict[str, Any]]] = {
        "target": target,
        "build": lambda: build(Order(**json.load(sys.stdin))),
        "compare": lambda: compare(Order(**json.load(sys.stdin))),
    }
    try:
        print(json.dumps(work[arguments[0]]()))
    except EngineUnfit as error:
        print(error, file=sys.stderr)
        return CANNOT
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
