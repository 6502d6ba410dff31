"""A latent image to HU, in overlapping windows."""

import json
from pathlib import Path

from gateway.imaging.maisi.steps import Decoder
from gateway.triton.backend import report_runtime, respond_in_parts
from gateway.triton.leases import while_wanted
from gateway.triton.networks import Network


class TritonPythonModel:
    """Named by Triton."""

    def initialize(self, args):
        folder = Path(__file__).parent
        network = Network(folder / "decoder.onnx", keeps_memory=False)
        self._runtime = report_runtime(args["model_name"], network.runtime)
        self._decoder = Decoder.of(json.loads((folder / "variant.json").read_text()), image=network.run)

    def execute(self, requests):
        return respond_in_parts(requests, self._image)

    def _image(self, latent, lease, is_cancelled):
        return while_wanted(self._decoder.parts(latent), lease, is_cancelled)
