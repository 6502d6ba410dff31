"""A photo of a screen to the film on it, straightened."""

import json

from gateway.imaging.screen.steps import straighten
from gateway.triton.backend import respond, text


class TritonPythonModel:
    """Named by Triton."""

    def execute(self, requests):
        return respond(requests, self._answer)

    def _answer(self, picture, letterbox, header, located):
        film = straighten(
            picture=picture,
            letterbox=letterbox,
            header=json.loads(header[0]),
            located=json.loads(located[0]),
        )
        return {"picture": film.picture, "letterbox": film.letterbox, "header": text(film.header)}
