"""What `radgate doctor` says of GPUs and engines."""

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.settings import Settings
from gateway.triton.networks.engine import EngineUnfit
from gateway.triton.networks.gpu import this_target
from tools.models.states import engines_here

DRIVER = Path("/proc/driver/nvidia/version")


class Finding(NamedTuple):
    """One thing looked at."""

    name: str
    ok: bool
    detail: str


def gpu_findings(settings: Settings) -> Iterator[Finding]:
    """Look at the GPU, what would run networks on it, and their engines."""
    if settings.triton_model_config_name and not settings.triton_url:
        yield Finding(
            "GPU variant",
            False,
            "the embedded Triton has no TensorRT backend: unset RADGATE_TRITON_MODEL_CONFIG_NAME (networks "
            "then find their engines themselves), or set RADGATE_TRITON_URL to a Triton that has one",
        )
    yield _gpu()
    yield _engines(settings)


def _gpu() -> Finding:
    if not DRIVER.exists():
        return Finding("GPU", True, "no NVIDIA driver here: networks run on the CPU")
    try:
        target = this_target()
    except EngineUnfit as error:
        return Finding("GPU", False, f"an NVIDIA driver is here, but {error}")
    if not _onnx_runtime_has_cuda() and _is_installed("onnxruntime-gpu"):
        return Finding("GPU", False, f"{target.gpu}; {ONNX_RUNTIME_MEND}")
    about = f"compute capability {target.compute_capability}, TensorRT {target.tensorrt}"
    return Finding("GPU", True, f"{target.gpu}, {about}")


ONNX_RUNTIME_MEND = (
    "onnxruntime hides onnxruntime-gpu: run pip uninstall onnxruntime, then "
    "pip install --force-reinstall --no-deps onnxruntime-gpu"
)


def _engines(settings: Settings) -> Finding:
    try:
        found = engines_here(settings.model_repository)
    except OSError as error:
        return Finding("engines", True, str(error))
    bad = [each for each in found if each.state in ("failed", "unfit")]
    if bad:
        reasons = "; ".join(f"{each.network.model}: {each.detail}" for each in bad)
        return Finding("engines", False, f"{reasons}. Run radgate models build")
    states = ", ".join(f"{each.network.model} {each.state}" for each in found)
    return Finding("engines", True, f"TensorRT: {states}")


def _onnx_runtime_has_cuda() -> bool:
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
