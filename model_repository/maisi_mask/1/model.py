"""The labels of one body: drawn, or by what `radgate models import` put here."""

from pathlib import Path

from gateway.imaging.maisi.masks import DrawnMasks
from gateway.imaging.maisi.steps import mask_parts
from gateway.triton.backend import report_runtime, respond_in_parts
from gateway.triton.leases import while_wanted
from gateway.triton.networks import Network

FOLDER = Path(__file__).parent


class TritonPythonModel:
    """Named by Triton."""

    def initialize(self, args):
        self._by_size = self._by_name = DrawnMasks()
        if (FOLDER / "mask_noise.onnx").exists():
            self._by_size = self._generator(args)
        if (FOLDER / "masks.zip").exists():
            from gateway.imaging.maisi.candidates import CandidateMasks

            self._by_name = CandidateMasks(FOLDER)

    def _generator(self, args):
        # What it needs besides is not loaded where masks are drawn.
        from gateway.imaging.maisi.mask_generator import MaskGenerator

        noise, image = (
            Network(FOLDER / f"{name}.onnx", keeps_memory=False) for name in ("mask_noise", "mask_decoder")
        )
        self._runtime = report_runtime(args["model_name"], noise.runtime)
        return MaskGenerator.of(FOLDER, noise=noise.run, image=image.run)

    def execute(self, requests):
        return respond_in_parts(requests, self._mask)

    def _mask(self, request, lease, is_cancelled):
        return while_wanted(mask_parts(request, self._by_size, self._by_name), lease, is_cancelled)
