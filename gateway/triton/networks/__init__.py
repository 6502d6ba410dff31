"""The one seam for neural networks inside Python models: the best runtime that this machine has for a graph.

In this order: the TensorRT plan that `radgate models build` left beside the graph, where it is one for this
very GPU, TensorRT and graph; ONNX Runtime on a GPU; ONNX Runtime on the CPU.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from gateway.triton.networks.engine import EngineUnfit, has_engines, plan_for
from gateway.triton.networks.onnx_runtime import OnnxRuntimeNetwork

logger = logging.getLogger(__name__)

RuntimeName = Literal["tensorrt", "cuda", "cpu"]


class Runtime(Protocol):
    """What runs a network."""

    @property
    def providers(self) -> list[str]:
        """What executes it, first choice first, in ONNX Runtime's words."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run it; arrays by tensor name both ways, batch axis first."""


class Network:
    """One ONNX graph, loaded once and run on batches.

    Parameters
    ----------
    path
        The `.onnx` file; engines lie beside it.
    threads
        Threads of one run on the CPU; 0 lets ONNX Runtime take every core.
    keeps_memory
        See `OnnxRuntimeNetwork`.
    """

    def __init__(self, path: Path, *, threads: int = 0, keeps_memory: bool = True) -> None:
        self._runtime: Runtime = _engine(path) or OnnxRuntimeNetwork(
            path, threads=threads, keeps_memory=keeps_memory
        )

    @property
    def providers(self) -> list[str]:
        """Execution providers in use, first choice first."""
        return self._runtime.providers

    @property
    def runtime(self) -> RuntimeName:
        """What runs it: `tensorrt` or `cuda` on a GPU, or `cpu`."""
        names: dict[str, RuntimeName] = {
            "TensorrtExecutionProvider": "tensorrt",
            "CUDAExecutionProvider": "cuda",
        }
        return names.get(self.providers[0], "cpu")

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the graph; arrays by tensor name both ways, batch axis first."""
        return self._runtime.run(inputs)


def _engine(graph: Path) -> Runtime | None:
    """Open the graph's engine; where there is one that does not serve here, say so and go on without."""
    if not has_engines(graph):
        return None
    try:
        # Here and not above: a machine without a GPU has neither CuPy nor TensorRT.
        from gateway.triton.networks.gpu import this_target
        from gateway.triton.networks.tensorrt_plan import TensorRTNetwork

        return TensorRTNetwork(plan_for(graph, this_target()).read_bytes())
    except (EngineUnfit, ImportError, OSError, RuntimeError) as error:  # CuPy's errors are RuntimeErrors
        logger.warning("%s runs without its TensorRT engine: %s", graph.parts[-3], error)
        return None
