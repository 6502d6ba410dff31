"""The labels of one body: drawn, or by the mask generator where its networks are and sizes are asked for."""

import json
from pathlib import Path

from gateway.imaging.maisi.mask_generator import MaskGenerator
from gateway.imaging.maisi.steps import mask_parts
from gateway.triton.backend import report_runtime, respond_in_parts
from gateway.triton.leases import while_wanted
from gateway.triton.networks import Network

FOLDER = Path(__file__).parent


class TritonPythonModel:
    """Named by Triton."""

    def initialize(self, args):
        self._generator = None
        if (FOLDER / "mask_noise.onnx").exists():
            noise, image = (
                Network(FOLDER / f"{name}.onnx", keeps_memory=False)
                for name in ("mask_noise", "mask_decoder")
            )
            self._runtime = report_runtime(args["model_name"], noise.runtime)
            variant = json.loads((FOLDER / "variant.json").read_text())
            self._generator = MaskGenerator.of(variant, noise=noise.run, image=image.run)

    def execute(self, requests):
        return respond_in_parts(requests, self._mask)

    def _mask(self, request, lease, is_cancelled):
        return while_wanted(mask_parts(request, self._generator), lease, is_cancelled)
