"""TensorRT engines beside a graph: what one is called, what it is good for, and whether it may be used.

A plan is good for the very GPU, TensorRT and graph that it was built of, and says none of that itself. So
`radgate models build` leaves a manifest beside each, and where building or the comparison with ONNX Runtime
failed, a manifest alone that gives the reason.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal


class EngineUnfit(ValueError):
    """There is no engine that may run here; the message says why."""


@dataclass(frozen=True)
class Target:
    """What an engine is built for, and runs on alone."""

    gpu: str
    """The GPU's name, such as `NVIDIA H100 80GB HBM3`."""
    compute_capability: str
    """Such as `9.0`."""
    multiprocessors: int
    """A slice of a GPU (MIG) has fewer, and other tactics are best there."""
    cuda: int
    """Major of the CUDA runtime."""
    tensorrt: str
    """TensorRT's whole version."""

    @property
    def plan(self) -> str:
        """Name of a plan for it, as in `cc_model_filenames` of each `configs/gpu.pbtxt`."""
        return plan_name(self.compute_capability)


@dataclass(frozen=True)
class Manifest:
    """What became of building one network's engine."""

    model: str
    outcome: Literal["built", "failed"]
    key: str
    """Digest of `made_of`: the engine's folder in the cache."""
    made_of: dict[str, Any]
    """`onnx_sha256`, `target`, `precision`, `profile`, `builder_level`, `flags`."""
    reason: str = ""
    """Why it failed."""
    plan_sha256: str = ""
    plan_bytes: int = 0
    build_seconds: float = 0.0
    built_at: str = ""
    timing_cache_sha256: str = ""
    parity: dict[str, Any] = field(default_factory=dict)
    """How far its answers are from ONNX Runtime's on the CPU, by tensor and for the task."""
    log: list[str] = field(default_factory=list)
    """TensorRT's warnings and errors."""

    @property
    def target(self) -> Target:
        """What it was built for."""
        return Target(**self.made_of["target"])

    def written(self) -> bytes:
        """Render it as a file's content."""
        return json.dumps(asdict(self), indent=2).encode() + b"\n"


def plan_name(compute_capability: str) -> str:
    """Name the plan for a compute capability, such as `model.sm90.plan` for `9.0`."""
    return f"model.sm{compute_capability.replace('.', '')}.plan"


def manifest_of(plan: Path) -> Path:
    """Name the manifest of a plan, which is there also when the plan is not."""
    return plan.with_name(f"{plan.name}.json")


def has_engines(graph: Path) -> bool:
    """Whether engines were ever built of a graph here, for whatever GPU."""
    return next(graph.parent.glob("model.sm*.plan.json"), None) is not None


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises
    ------
    EngineUnfit
        It is absent, or none.
    """
    try:
        return Manifest(**json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise EngineUnfit(f"no engine was built: there is no {path.name}") from error
    except (OSError, ValueError, TypeError) as error:
        raise EngineUnfit(f"{path.name} cannot be read as an engine's manifest") from error


def plan_for(graph: Path, target: Target) -> Path:
    """Find the plan of a graph for a target.

    Raises
    ------
    EngineUnfit
        There is none, it failed, or it is of another graph, GPU or TensorRT, or not whole.
    """
    plan = graph.with_name(target.plan)
    manifest = read_manifest(manifest_of(plan))
    if manifest.outcome != "built":
        raise EngineUnfit(f"building failed: {manifest.reason}")
    differing = [
        f"{name} {value}, not {getattr(target, name)}"
        for name, value in asdict(manifest.target).items()
        if value != getattr(target, name)
    ]
    if differing:
        raise EngineUnfit(f"{plan.name} was built for {'; '.join(differing)}")
    check_files(graph, plan, manifest)
    return plan


def check_files(graph: Path, plan: Path, manifest: Manifest) -> None:
    """Hold a graph and its plan against the manifest.

    Raises
    ------
    EngineUnfit
        One of them changed, or the plan is absent.
    """
    if digest_of(graph) != manifest.made_of["onnx_sha256"]:
        raise EngineUnfit(f"{graph.name} changed since {plan.name} was built")
    if not plan.exists():
        raise EngineUnfit(f"{plan.name} is gone")
    if digest_of(plan) != manifest.plan_sha256:
        raise EngineUnfit(f"{plan.name} is not the file that was built")


def digest_of(path: Path) -> str:
    """Digest a file, SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
