"""Where the screen is, in pixels of the file, and what is wrong with the frame."""

import json

from gateway.imaging.screen.steps import describe
from gateway.triton.backend import respond, text


class TritonPythonModel:
    """Named by Triton."""

    def execute(self, requests):
        return respond(requests, self._answer)

    def _answer(self, picture, header, located, quality):
        document = describe(
            picture=picture,
            header=json.loads(header[0]),
            located=json.loads(located[0]),
            quality=bool(quality[0]),
        )
        return {"screen": text(document)}
