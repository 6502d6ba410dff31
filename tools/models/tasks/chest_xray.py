"""The gate of `chest_xray_classifier`."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from gateway.imaging.chest_xray import PRESENT_FROM, calibrate, sigmoid
from gateway.imaging.chest_xray_steps import INPUT_SIZE_PX, load_model
from gateway.imaging.radiograph import square_input
from tools.models.tasks import SEED, Tensors
from tools.phantoms.chest_film import chest_film
from tools.phantoms.radiographs import other_image


class ChestXray:
    """Twelve findings and the gate: confidences as they are answered, and what is called present."""

    bars: ClassVar[Mapping[str, float]] = {"confidence": 0.01, "decisions changed": 0}

    def __init__(self, version: Path) -> None:
        points = load_model(version).operating_points.points
        self._thresholds = np.array([point.threshold for point in points], np.float32)

    def phantoms(self) -> Tensors:
        """Draw chest films, with and without a lesion, and what is none."""
        rng = np.random.default_rng(SEED)
        drawn = [chest_film(SEED + number, rows=512, columns=512, lesion=number > 2) for number in range(6)]
        pictures = [np.asarray(film / 16, np.uint8) for film in drawn]
        pictures += [other_image(rng) for _ in range(2)]
        return {"image": np.stack([square_input(picture, INPUT_SIZE_PX) for picture in pictures])}

    def limits(self, precision: str, expected: Tensors) -> dict[str, float]:
        """Give the largest difference allowed in each output tensor."""
        if precision == "fp32":
            return {"logits": 0.005, "activation_maps": 0.02, "chest_logit": 0.005}
        return {"logits": 0.08, "activation_maps": 0.4, "chest_logit": 0.02}

    def counted(self, expected: Tensors) -> dict[str, np.ndarray]:
        """Give the rows of a tensor that mean something: all do."""
        return {}

    def metrics(self, expected: Tensors, got: Tensors) -> dict[str, float]:
        """Compare confidences, and decisions where the confidence is not at the very threshold."""
        before, after = (calibrate(sigmoid(each["logits"]), self._thresholds) for each in (expected, got))
        sure = np.abs(before - PRESENT_FROM) > self.bars["confidence"]
        changed = ((before >= PRESENT_FROM) != (after >= PRESENT_FROM))[sure].sum()
        gate = ((expected["chest_logit"] > 0) != (got["chest_logit"] > 0)).sum()
        return {"confidence": float(np.abs(before - after).max()), "decisions changed": float(changed + gate)}
