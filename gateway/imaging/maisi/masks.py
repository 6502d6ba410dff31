"""Where labels come from, and what those that were not drawn for a request go through to meet it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from gateway.imaging.errors import WrongContent
from gateway.imaging.maisi.anatomy import draw_anatomy
from gateway.imaging.maisi.asked import Asked
from gateway.imaging.maisi.labels import LABELS


class MaskSource(Protocol):
    """One way to the labels of a sample."""

    @property
    def steps(self) -> int:
        """How many steps it takes."""

    def labels(self, asked: Asked) -> Iterator[np.ndarray | None]:
        """Yield None after each step, and at the end uint8 [x, y, z].

        Raises
        ------
        ImageError
            Such a body cannot be made.
        """


class DrawnMasks:
    """Draws bodies: the source that needs no data of anybody."""

    steps = 1

    def labels(self, asked: Asked) -> Iterator[np.ndarray | None]:
        """Draw the labels of a sample."""
        yield None
        yield draw_anatomy(
            output_size=asked.output_size,
            spacing_mm=asked.spacing_mm,
            body_regions=asked.body_region,
            anatomy_names=asked.anatomy_list,
            organ_sizes=dict(asked.controllable_anatomy_size),
            seed=asked.seed,
        )


def resampled(
    labels: np.ndarray, have_mm: Sequence[float], size: Sequence[int], spacing_mm: Sequence[float]
) -> np.ndarray:
    """Take the nearest voxel on the asked grid about the same middle; what lies outside is air.

    Parameters
    ----------
    labels
        uint8 [x, y, z].
    have_mm
        Spacing of its voxels.
    """
    framed = np.pad(labels, 1)
    places = []
    for n, mm, have, count in zip(size, spacing_mm, have_mm, labels.shape, strict=True):
        at = np.rint((np.arange(n) - (n - 1) / 2) * mm / have + (count - 1) / 2).astype(int)
        places.append(np.clip(at + 1, 0, count + 1))
    return np.asarray(framed[np.ix_(*places)])


def missing(labels: np.ndarray, names: Iterable[str]) -> list[str]:
    """Give which structures a mask lacks."""
    there = np.flatnonzero(np.bincount(labels.ravel(), minlength=256))
    return [name for name in names if LABELS[name].index not in there]


def not_there(names: Sequence[str]) -> WrongContent:
    """Say that a resampled mask lacks what was asked for, as MAISI's bundle does."""
    return WrongContent(
        f"Resampled mask does not contain required class labels: {', '.join(names)}. "
        "Try another seed, or a larger field of view."
    )
