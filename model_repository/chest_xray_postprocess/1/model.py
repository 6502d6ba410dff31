"""The network's output to findings, result category, heatmap and pictures."""

import json
from pathlib import Path

from gateway.imaging.chest_xray_steps import conclude, images_of, load_model
from gateway.triton.backend import octets, respond, text


class TritonPythonModel:
    """Named by Triton."""

    def initialize(self, args):
        repository = Path(__file__).parents[2]
        self._model = load_model(repository / "chest_xray_classifier" / "1")

    def execute(self, requests):
        return respond(requests, self._answer, with_parameters=True)

    def _answer(self, header, source_image, parameters, **network):
        answer = conclude(
            self._model,
            **network,
            source_image=source_image,
            header=json.loads(header[0]),
            gate=parameters.get("gate") != "off",
        )
        images = images_of(source_image, answer.heatmap)
        return {
            "prediction": text(answer.prediction),
            "study": text(answer.study),
            **{name: octets(data) for name, data in images.items()},
        }
