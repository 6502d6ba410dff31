"""What each network is for: phantoms to run it on, and how to tell whether two answers say the same.

Bars are far below what the networks themselves are off, which their cards tell: an engine is to be the
network, no worse and no better.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

Tensors = dict[str, np.ndarray]
SEED = 20
"""Of every drawing."""


class Task(Protocol):
    """One network's gate."""

    bars: ClassVar[Mapping[str, float]]
    """The most that each metric may be."""

    def phantoms(self) -> Tensors:
        """Draw inputs by name, always the same, batch axis first."""

    def limits(self, precision: str, expected: Tensors) -> dict[str, float]:
        """Give the largest difference allowed in each output tensor."""

    def counted(self, expected: Tensors) -> dict[str, np.ndarray]:
        """Give the rows of a tensor that mean something, of those of which not all do."""

    def metrics(self, expected: Tensors, got: Tensors) -> dict[str, float]:
        """Say how far two answers are apart for the task."""


def task_of(model: str, version: Path, inputs: Mapping[str, tuple[int, ...]]) -> Task:
    """Find a network's task; only what it needs is imported.

    Parameters
    ----------
    model
        Name of the model in the repository.
    version
        Folder with `model.onnx` and what belongs to it.
    inputs
        Shape of each input without the batch axis.
    """
    if model == "chest_xray_classifier":
        from tools.models.tasks.chest_xray import ChestXray

        return ChestXray(version)
    if model == "vhs_landmarks":
        from tools.models.tasks.vhs import Landmarks

        return Landmarks()
    if model == "screen_corners":
        from tools.models.tasks.screen import Corners

        return Corners()
    from tools.models.tasks.unknown import Unknown

    return Unknown(inputs)
