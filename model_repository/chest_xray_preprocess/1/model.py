"""DICOM bytes to the network's input, the 8-bit film and what the header says."""

from gateway.imaging.chest_xray_steps import prepare
from gateway.triton.backend import respond, text
from gateway.triton.isolation import Isolated


class TritonPythonModel:
    """Named by Triton."""

    def initialize(self, args):
        # A decoder that crashes or runs away on a hostile file takes this worker with it, not the stub.
        self._prepare = Isolated(prepare)
        self._prepare.start()

    def execute(self, requests):
        return respond(requests, self._answer)

    def finalize(self):
        self._prepare.close()

    def _answer(self, dicom):
        prepared = self._prepare(dicom.tobytes())
        return {
            "image": prepared.image,
            "source_image": prepared.source_image,
            "header": text(prepared.header),
        }
