"""The gate of a network that comes from elsewhere."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from tools.models.tasks import SEED, Tensors


class Unknown:
    """A network that only its operator knows: noise in, and the direction of what comes out."""

    bars: ClassVar[Mapping[str, float]] = {"1 - cosine": 1e-3}

    def __init__(self, inputs: Mapping[str, tuple[int, ...]]) -> None:
        self._inputs = inputs

    def phantoms(self) -> Tensors:
        """Draw noise between 0 and 1."""
        rng = np.random.default_rng(SEED)
        return {name: rng.random((4, *dims), np.float32) for name, dims in self._inputs.items()}

    def limits(self, precision: str, expected: Tensors) -> dict[str, float]:
        """Give a share of each tensor's largest value."""
        share = 1e-3 if precision == "fp32" else 2e-2
        return {name: share * max(1.0, float(np.abs(array).max())) for name, array in expected.items()}

    def counted(self, expected: Tensors) -> dict[str, np.ndarray]:
        """Give the rows of a tensor that mean something: all do."""
        return {}

    def metrics(self, expected: Tensors, got: Tensors) -> dict[str, float]:
        """Compare the directions of all outputs."""
        apart = [_one_minus_cosine(array, got[name]) for name, array in expected.items()]
        return {"1 - cosine": float(np.max(apart))}


def _one_minus_cosine(first: np.ndarray, second: np.ndarray) -> float:
    one, other = first.astype(np.float64).ravel(), second.astype(np.float64).ravel()
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return 1 - float(one @ other) / lengths if lengths else float(np.abs(one - other).max())
