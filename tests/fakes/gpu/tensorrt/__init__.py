"""A TensorRT whose kernels are NumPy's; a plan holds the graph, the GPU and the version it is for.

FAKE_TENSORRT is `10` (precision by builder flags, unless a network is made strongly typed) or `11` (strongly
typed only, no precisions in BuilderFlag), `11-bare` where the creation flag is gone, too. FAKE_TENSORRT_FAULT
makes things end as real ones do at times: `build`, `crash`, `hang`, `wrong`, `uncapturable` by CUDA graphs.
FAKE_TENSORRT_UNSUPPORTED is an operator that its parser does not know.
"""

import enum
import json
import os
import signal
import time

import numpy as np
import onnx
from cupy.cuda import memory, runtime
from onnx.reference import ReferenceEvaluator

_GENERATION = os.environ.get("FAKE_TENSORRT", "11")
__version__ = {"10": "10.13.3.9"}.get(_GENERATION, "11.4.0.106")
_FAULT = os.environ.get("FAKE_TENSORRT_FAULT", "")

_common = ["REFIT", "TF32", "VERSION_COMPATIBLE", "STRICT_NANS", "EDITABLE_TIMING_CACHE"]
BuilderFlag = enum.Enum(
    "BuilderFlag", [*(["FP16", "BF16", "INT8", "FP8"] if _GENERATION == "10" else []), *_common]
)
if _GENERATION != "11-bare":
    NetworkDefinitionCreationFlag = enum.IntEnum(
        "NetworkDefinitionCreationFlag", {"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1}
    )
TensorIOMode = enum.Enum("TensorIOMode", ["NONE", "INPUT", "OUTPUT"])
DataType = enum.Enum("DataType", ["FLOAT", "HALF", "INT32", "INT64", "BOOL"])
_ONNX_TYPES = {1: DataType.FLOAT, 6: DataType.INT32, 7: DataType.INT64, 9: DataType.BOOL, 10: DataType.HALF}


def nptype(trt_type):
    return {
        DataType.FLOAT: np.float32,
        DataType.HALF: np.float16,
        DataType.INT32: np.int32,
        DataType.INT64: np.int64,
        DataType.BOOL: np.bool_,
    }[trt_type]


class ILogger:
    Severity = enum.Enum("Severity", ["INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"])
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = Severity

    def log(self, severity, msg):
        raise NotImplementedError


class Logger(ILogger):
    def __init__(self, min_severity=ILogger.WARNING):
        self._min = min_severity

    def log(self, severity, msg):
        if severity.value <= self._min.value:
            print(f"[TRT] {severity.name}: {msg}")


class _HostMemory:
    def __init__(self, data: bytes):
        self._data = data

    def __bytes__(self):
        return self._data


class Builder:
    def __init__(self, logger):
        self._logger = logger

    def create_network(self, flags=0):
        known = 0b1 if _GENERATION == "11-bare" else 0b11
        if flags & ~known:
            raise ValueError("unknown network creation flag")
        return _Network(strongly_typed=_GENERATION != "10" or bool(flags & 0b10))

    def create_builder_config(self):
        return _Config()

    def create_optimization_profile(self):
        return _Profile()

    def build_serialized_network(self, network, config):
        if _FAULT == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if _FAULT == "hang":
            time.sleep(600)
        if _FAULT == "build":
            self._logger.log(ILogger.ERROR, "Could not find any implementation for node /trunk/Conv")
            return None
        self._logger.log(ILogger.INFO, "timing kernels")
        self._logger.log(ILogger.WARNING, "a tactic needs more memory than there is")
        if not network.strongly_typed:
            self._logger.log(ILogger.ERROR, "float16 in a weakly typed network needs BuilderFlag.FP16")
            return None
        dynamic = [name for name, shape in network.inputs.items() if -1 in shape]
        profile = config.profiles[0].shapes if config.profiles else {}
        if set(dynamic) - set(profile):
            self._logger.log(ILogger.ERROR, f"no optimization profile for {dynamic}")
            return None
        head = {
            "tensorrt": __version__,
            "gpu": _gpu(),
            "flags": sorted(flag.name for flag in config.flags),
            "level": config.builder_optimization_level,
            "profile": profile,
            "timings_known": len(config.cache.timings),
            "wrong": _FAULT == "wrong",
        }
        config.cache.timings.append(len(network.onnx))
        return _HostMemory(json.dumps(head).encode() + b"\0" + network.onnx)


class _Network:
    def __init__(self, strongly_typed):
        self.strongly_typed = strongly_typed
        self.inputs = {}
        self.onnx = b""


class _Profile:
    def __init__(self):
        self.shapes = {}

    def set_shape(self, input, min, opt, max):
        if not all(a <= b <= c for a, b, c in zip(min, opt, max, strict=True)):
            raise ValueError("a profile's shapes must be in order")
        self.shapes[input] = [list(min), list(opt), list(max)]


class _TimingCache:
    def __init__(self, data):
        head = {"gpu": _gpu(), "tensorrt": __version__}
        found = json.loads(data) if data else {**head, "timings": []}
        self.fits = {key: found[key] for key in head} == head
        self.timings = found["timings"]

    def serialize(self):
        return _HostMemory(
            json.dumps({"gpu": _gpu(), "tensorrt": __version__, "timings": self.timings}).encode()
        )


class _Config:
    def __init__(self):
        self.flags = {BuilderFlag.TF32}  # on unless cleared, as in TensorRT
        self.builder_optimization_level = 3
        self.profiles = []
        self.cache = _TimingCache(b"")

    def set_flag(self, flag):
        self.flags.add(flag)

    def clear_flag(self, flag):
        self.flags.discard(flag)

    def add_optimization_profile(self, profile):
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def create_timing_cache(self, data):
        return _TimingCache(data)

    def set_timing_cache(self, cache, ignore_mismatch):
        if cache.fits or ignore_mismatch:
            self.cache = cache
        return cache.fits or ignore_mismatch

    def get_timing_cache(self):
        return self.cache


class _ParserError:
    def __init__(self, text):
        self._text = text

    def desc(self):
        return self._text


class OnnxParser:
    def __init__(self, network, logger):
        self._network = network
        self._errors = []

    @property
    def num_errors(self):
        return len(self._errors)

    def get_error(self, index):
        return self._errors[index]

    def parse(self, data):
        """Parse as strictly as a strongly typed network is typed: a mixture of types is an error."""
        model = onnx.load_from_string(data)
        unsupported = os.environ.get("FAKE_TENSORRT_UNSUPPORTED")
        if unsupported in {node.op_type for node in model.graph.node}:
            self._errors.append(_ParserError(f"no importer registered for op: {unsupported}"))
            return False
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            self._errors.append(_ParserError(str(error)))
            return False
        self._network.onnx = data
        self._network.inputs = {value.name: _shape(value) for value in model.graph.input}
        return True


class Runtime:
    def __init__(self, logger):
        self._logger = logger

    def deserialize_cuda_engine(self, data):
        try:
            head, _, graph = bytes(data).partition(b"\0")
            head = json.loads(head)
        except ValueError:
            self._logger.log(ILogger.ERROR, "Magic tag does not match")
            return None
        if head.get("tensorrt") != __version__ or head["gpu"] != _gpu():
            self._logger.log(ILogger.ERROR, "Version tag does not match")
            return None
        return _Engine(head, graph)


class _Engine:
    def __init__(self, head, graph):
        self._head = head
        model = onnx.load_from_string(graph)
        self._inputs = {value.name: value for value in model.graph.input}
        self._outputs = {value.name: value for value in model.graph.output}
        self._values = {**self._inputs, **self._outputs}
        self.num_io_tensors = len(self._values)
        self.evaluator = ReferenceEvaluator(model)  # rounds to float16 as a GPU does

    def get_tensor_name(self, index):
        return list(self._values)[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name):
        return _ONNX_TYPES[self._values[name].type.tensor_type.elem_type]

    def get_tensor_shape(self, name):
        return _shape(self._values[name])

    def get_tensor_profile_shape(self, name, profile_index):
        return self._head["profile"][name]

    def create_execution_context(self):
        return _Context(self)


class _Context:
    def __init__(self, engine):
        self._engine = engine
        self._shapes = {}
        self._addresses = {}
        self._settled = None  # the shapes of the last run outside of a capture

    def set_input_shape(self, name, shape):
        least, _, largest = self._engine._head["profile"][name]
        fits = all(low <= size <= high for low, size, high in zip(least, shape, largest, strict=True))
        if fits:
            self._shapes[name] = tuple(shape)
        return fits

    def get_tensor_shape(self, name):
        if name in self._shapes:
            return self._shapes[name]
        batch = next(iter(self._shapes.values()))[0] if self._shapes else -1
        return (batch, *_shape(self._engine._values[name])[1:])

    def set_tensor_address(self, name, memory):
        if name not in self._engine._values:
            return False
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle):
        stream = memory.STREAMS.get(stream_handle)
        if stream is None:
            raise runtime.CUDARuntimeError("cudaErrorInvalidResourceHandle")
        if set(self._addresses) != set(self._engine._values) or set(self._shapes) != set(
            self._engine._inputs
        ):
            return False
        shapes, addresses = dict(self._shapes), dict(self._addresses)
        if stream.is_capturing and (shapes != self._settled or _FAULT == "uncapturable"):
            stream._spoil_capture("operation not permitted when stream is capturing")
            return False
        self._settled = shapes
        stream._queue(lambda: self._compute(shapes, addresses))
        return True

    def _compute(self, shapes, addresses):
        engine = self._engine
        feed = {
            name: memory.view(addresses[name], shape, nptype(engine.get_tensor_dtype(name))).copy()
            for name, shape in shapes.items()
        }
        for name, array in zip(
            engine._outputs, engine.evaluator.run(list(engine._outputs), feed), strict=True
        ):
            target = memory.view(addresses[name], array.shape, array.dtype)
            target[...] = array + 0.5 if engine._head["wrong"] else array


def _shape(value):
    return tuple(-1 if dim.dim_param else dim.dim_value for dim in value.type.tensor_type.shape.dim)


def _gpu():
    properties = runtime.getDeviceProperties(0)
    return f"{properties['name'].decode()} {properties['multiProcessorCount']}"
