"""A network as a TensorRT engine: buffers by CuPy, one CUDA graph for each size of a batch.

Not to be used by two threads at a time; a Python model of Triton has one.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from gateway.triton.networks.engine import EngineUnfit

if TYPE_CHECKING:
    import cupy

logger = logging.getLogger(__name__)

Made = TypeVar("Made")


class _Buffer(NamedTuple):
    """Room for one tensor of the largest batch."""

    device: "cupy.ndarray"
    host: np.ndarray
    """Pinned: only from there does a copy run beside the CPU."""


class TensorRTNetwork:
    """One plan, loaded once and run on batches.

    Parameters
    ----------
    plan
        The serialized engine, of this GPU and this TensorRT; its first axis is the batch.

    Raises
    ------
    EngineUnfit
        TensorRT does not take the plan, or the GPU's memory does not suffice.
    """

    def __init__(self, plan: bytes) -> None:
        import cupy
        import tensorrt

        # The engine lives no longer than its runtime, and that no longer than its logger.
        self._logger = tensorrt.Logger(tensorrt.Logger.WARNING)
        self._trt_runtime = tensorrt.Runtime(self._logger)
        self._engine = _made(self._trt_runtime.deserialize_cuda_engine(plan), "take the plan")
        self._context = _made(self._engine.create_execution_context(), "make room for the engine")
        self._stream = cupy.cuda.Stream(non_blocking=True)
        names = [self._engine.get_tensor_name(number) for number in range(self._engine.num_io_tensors)]
        is_input = {name: self._engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT for name in names}
        self._inputs = {name: self._input(name) for name in names if is_input[name]}
        self._max_batch = min(len(buffer.host) for buffer in self._inputs.values())
        self._shape_inputs(self._max_batch)
        self._outputs = {name: self._output(name) for name in names if not is_input[name]}
        self._graphs = self._captured()

    @property
    def providers(self) -> list[str]:
        """What executes it, in ONNX Runtime's words."""
        return ["TensorrtExecutionProvider"]

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the engine; arrays by tensor name both ways, batch axis first.

        Raises
        ------
        ValueError
            Other tensors than the engine has, or other shapes.
        TypeError
            Other dtypes.
        RuntimeError
            The GPU failed.
        """
        if set(inputs) != set(self._inputs):
            raise ValueError(f"the engine takes {sorted(self._inputs)}, not {sorted(inputs)}")
        rows = len(next(iter(inputs.values())))
        starts = range(0, rows, self._max_batch)
        parts = [
            self._run({name: array[start : start + self._max_batch] for name, array in inputs.items()})
            for start in starts
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._outputs}

    def _run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        batch = len(next(iter(inputs.values())))
        for name, buffer in self._inputs.items():
            if inputs[name].shape != buffer.host[:batch].shape:
                raise ValueError(f"{name} has shape {inputs[name].shape}, not {buffer.host[:batch].shape}")
            np.copyto(buffer.host[:batch], inputs[name], casting="no")
            buffer.device[:batch].set(buffer.host[:batch], stream=self._stream)
        if batch in self._graphs:
            self._graphs[batch].launch(stream=self._stream)
        else:
            self._shape_inputs(batch)
            self._enqueue()
        for buffer in self._outputs.values():
            buffer.device[:batch].get(stream=self._stream, out=buffer.host[:batch])
        self._stream.synchronize()
        return {name: buffer.host[:batch].copy() for name, buffer in self._outputs.items()}

    def _input(self, name: str) -> _Buffer:
        _, _, largest = self._engine.get_tensor_profile_shape(name, 0)
        return self._buffer(name, tuple(largest))

    def _output(self, name: str) -> _Buffer:
        return self._buffer(name, tuple(self._context.get_tensor_shape(name)))

    def _buffer(self, name: str, shape: tuple[int, ...]) -> _Buffer:
        import cupy
        import cupyx
        import tensorrt

        if min(shape) < 0:
            raise EngineUnfit(f"the size of {name} is known only after a run")
        dtype = np.dtype(tensorrt.nptype(self._engine.get_tensor_dtype(name)))
        buffer = _Buffer(cupy.zeros(shape, dtype), cupyx.empty_pinned(shape, dtype))
        if not self._context.set_tensor_address(name, buffer.device.data.ptr):
            raise EngineUnfit(f"TensorRT does not take a buffer for {name}")
        return buffer

    def _shape_inputs(self, batch: int) -> None:
        for name, buffer in self._inputs.items():
            if not self._context.set_input_shape(name, (batch, *buffer.host.shape[1:])):
                raise EngineUnfit(f"the engine does not take batches of {batch}")

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(self._stream.ptr):
            raise RuntimeError("TensorRT did not run the engine")

    def _captured(self) -> "dict[int, cupy.cuda.graph.Graph]":
        """Capture the kernels of each size of a batch: launching them one by one takes the CPU longer."""
        try:
            return {batch: self._capture(batch) for batch in range(1, self._max_batch + 1)}
        except RuntimeError as error:  # CuPy's, where an engine does what no graph can hold
            logger.info("the engine runs without CUDA graphs: %s", error)
            return {}

    def _capture(self, batch: int) -> "cupy.cuda.graph.Graph":
        self._shape_inputs(batch)
        self._enqueue()  # TensorRT settles what a new shape needs, which must not happen in the capture
        self._stream.synchronize()
        self._stream.begin_capture()
        try:
            self._enqueue()
        finally:
            graph = self._stream.end_capture()
        return graph


def _made(value: Made | None, what: str) -> Made:
    if value is None:
        raise EngineUnfit(f"TensorRT cannot {what}")
    return value
