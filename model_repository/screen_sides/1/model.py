"""Where the screen is, by closer looks through what the corner network found."""

import json
from pathlib import Path

from gateway.imaging.screen.locate import Found, locate
from gateway.triton.backend import report_runtime, respond, text
from gateway.triton.networks import Network


class TritonPythonModel:
    """Named by Triton."""

    def initialize(self, args):
        self._network = Network(Path(__file__).with_name("sides.onnx"))
        self._runtime = report_runtime(args["model_name"], self._network.runtime)

    def execute(self, requests):
        return respond(requests, self._answer)

    def _answer(self, picture, header, fold_corners, fold_corner_peaks, fold_screen):
        found = Found(fold_corners, fold_corner_peaks, fold_screen)
        screen = locate(picture, json.loads(header[0])["colour"], found, self._network.run)
        return {"located": text(screen.to_json())}
