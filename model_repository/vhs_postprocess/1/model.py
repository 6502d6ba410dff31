"""The folds' landmarks to VHS, VLAS, confidence and result code; the annotated picture on demand."""

import json

from gateway.imaging.vhs.steps import conclude
from gateway.triton.backend import octets, respond, text


class TritonPythonModel:
    """Named by Triton."""

    def execute(self, requests):
        return respond(requests, self._answer)

    def _answer(self, header, render, **tensors):
        result, rendered = conclude(**tensors, header=json.loads(header[0]), render=bool(render[0]))
        return {"result": text(result), "rendered_png": octets(rendered)}
