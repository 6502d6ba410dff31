"""Findings of a chest film, by one ONNX graph."""

from pathlib import Path

from gateway.triton.backend import report_runtime, respond_batched
from gateway.triton.networks import Network


class TritonPythonModel:
    """Named by Triton."""

    def initialize(self, args):
        self._network = Network(Path(__file__).with_name("model.onnx"))
        self._runtime = report_runtime(args["model_name"], self._network.runtime)

    def execute(self, requests):
        return respond_batched(requests, self._network.run)
