"""A network in ONNX Runtime, on a GPU where it finds one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

# TensorFloat-32 would keep ten bits of what the graph says has twenty-three.
CUDA = ("CUDAExecutionProvider", {"use_tf32": "0"})
CPU = "CPUExecutionProvider"


class OnnxRuntimeNetwork:
    """One ONNX graph in one session.

    Parameters
    ----------
    path
        The `.onnx` file.
    threads
        Threads of one run on the CPU; 0 lets ONNX Runtime take every core.
    cpu
        Take the CPU also where there is a GPU.
    keeps_memory
        Hold on to what the largest run took, for the next. False where inputs are large, differ in size and
        come seldom: a run takes 5 % longer, and gives a gigabyte back.
    """

    def __init__(self, path: Path, *, threads: int = 0, cpu: bool = False, keeps_memory: bool = True) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Waiting threads must not burn the cores that decoding and PNG encoding need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        available = onnxruntime.get_available_providers()
        providers: list[Any] = [CUDA, CPU] if CUDA[0] in available and not cpu else [CPU]
        if not keeps_memory and providers == [CPU]:
            # Shrinking it after a run leaves the region that the output lies in: up to a gigabyte.
            options.enable_cpu_mem_arena = False
        self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def providers(self) -> list[str]:
        """Execution providers in use, first choice first."""
        return list(self._session.get_providers())

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the graph; arrays by tensor name both ways, batch axis first."""
        values: list[Any] = self._session.run(self._outputs, dict(inputs))
        return dict(zip(self._outputs, values, strict=True))
