"""The part of Triton's `triton_python_backend_utils` that `gateway.triton.backend` uses."""

import json
from typing import ClassVar


class Tensor:
    def __init__(self, name, array):
        self._name, self._array = name, array

    def name(self):
        return self._name

    def as_numpy(self):
        return self._array


class TritonError:
    INVALID_ARG, INTERNAL = "INVALID_ARG", "INTERNAL"

    def __init__(self, message, code):
        self.message, self.code = message, code


class InferenceResponse:
    def __init__(self, output_tensors=(), error=None):
        self.error = error
        self.tensors = {tensor.name(): tensor.as_numpy() for tensor in output_tensors}


class InferenceRequest:
    def __init__(self, parameters=None, **arrays):
        self._inputs = [Tensor(name, array) for name, array in arrays.items()]
        self._parameters = json.dumps(parameters or {})

    def inputs(self):
        return self._inputs

    def parameters(self):
        return self._parameters


class MetricFamily:
    GAUGE = "gauge"
    shown: ClassVar[dict] = {}

    def __init__(self, name, description, kind):
        self._name = name

    def Metric(self, labels):
        return _Metric((self._name, *labels.items()))


class _Metric:
    def __init__(self, key):
        self._key = key

    def set(self, value):
        MetricFamily.shown[self._key] = value


class Logger:
    lines: ClassVar[list] = []

    @classmethod
    def log_error(cls, line):
        cls.lines.append(line)
