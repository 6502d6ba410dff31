"""The folds' corners to exact ones, and what is wrong with the frame."""

import json

from gateway.imaging.screen.steps import describe
from gateway.triton.backend import respond, text


class TritonPythonModel:
    """Named by Triton."""

    def execute(self, requests):
        return respond(requests, self._answer)

    def _answer(self, header, quality, **tensors):
        return {"screen": text(describe(header=json.loads(header[0]), quality=bool(quality[0]), **tensors))}
