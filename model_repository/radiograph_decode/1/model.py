"""JPEG or PNG bytes to the upright picture, the networks' input and what the file's header says."""

from gateway.imaging.vhs.steps import prepare
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

    def _answer(self, image):
        prepared = self._prepare(image[0])
        return {
            "picture": prepared.picture,
            "letterbox": prepared.letterbox,
            "header": text(prepared.header),
        }
