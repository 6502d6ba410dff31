"""A latent image for labels, by rectified flow with a ControlNet."""

import json
from pathlib import Path

from gateway.imaging.maisi.steps import Sampler
from gateway.triton.backend import report_runtime, respond_in_parts
from gateway.triton.leases import while_wanted
from gateway.triton.networks import Network


class TritonPythonModel:
    """Named by Triton."""

    def initialize(self, args):
        folder = Path(__file__).parent
        hint, velocity = (
            Network(folder / f"{name}.onnx", keeps_memory=False) for name in ("hint", "velocity")
        )
        self._runtime = report_runtime(args["model_name"], velocity.runtime)
        parameters = json.loads(args["model_config"])["parameters"]
        self._sampler = Sampler.of(
            json.loads((folder / "variant.json").read_text()),
            hint=hint.run,
            velocity=velocity.run,
            truncated=parameters["truncated_steps"]["string_value"] == "true",
        )

    def execute(self, requests):
        return respond_in_parts(requests, self._latent)

    def _latent(self, lease, is_cancelled, **inputs):
        return while_wanted(self._sampler.parts(**inputs), lease, is_cancelled)
