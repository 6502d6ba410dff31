"""Quality control of a synthetic CT: the median HU of each organ, held to where real ones have it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from gateway.imaging.maisi.labels import LABELS

LIMITS_HU: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "liver": (-21.6, 162.0),
        "spleen": (-43.1, 184.1),
        "pancreas": (-56.6, 149.5),
        "kidney": (-130.6, 267.3),
        "lung": (-1088.6, -367.0),
        "bone": (71.4, 1000.0),
        "brain": (-951.0, 369.5),
    }
)
"""Of bundle 1.0.0: the wider of six standard deviations and the percentiles 0.5 and 99.5 of real scans."""
GROUPS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        group: tuple(label.index for label in LABELS.values() if label.quality_group == group)
        for group in LIMITS_HU
    }
)
"""Voxel values of each group. The lung has all five lobes: the official list has 31 twice, and 32 never."""
_GREATEST = 2000


class GroupQuality(NamedTuple):
    """How one group of organs did."""

    group: str
    median_hu: float | None
    """None where the volume has no voxel of the group, which passes."""
    low_hu: float
    high_hu: float

    @property
    def passed(self) -> bool:
        """Whether the median is within its limits, or there is none."""
        return self.median_hu is None or self.low_hu <= self.median_hu <= self.high_hu


class Quality(NamedTuple):
    """How all groups did, in the order of `LIMITS_HU`."""

    groups: tuple[GroupQuality, ...]

    @property
    def passed(self) -> bool:
        """Whether every group passed."""
        return all(each.passed for each in self.groups)

    def document(self) -> dict[str, object]:
        """Give it as JSON's own types."""
        groups = [{**each._asdict(), "passed": each.passed} for each in self.groups]
        return {"passed": self.passed, "groups": groups}


def organ_quality(image_hu: np.ndarray, labels: np.ndarray) -> Quality:
    """Compare each organ group's median with real scans'.

    Parameters
    ----------
    image_hu
        int16 [x, y, z], in HU.
    labels
        uint8 [x, y, z], native MAISI indices.

    Raises
    ------
    ValueError
        The two differ in shape.
    """
    if image_hu.shape != labels.shape:
        raise ValueError(f"image and labels differ in shape: {image_hu.shape} and {labels.shape}")
    counts = _histograms(image_hu, labels)
    return Quality(
        tuple(
            GroupQuality(group, _median(counts[list(GROUPS[group])].sum(0)), *limits)
            for group, limits in LIMITS_HU.items()
        )
    )


def _histograms(image_hu: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Count each label's values, int64 (256, 2 * _GREATEST + 1); slice by slice, so that little is held."""
    width = 2 * _GREATEST + 1
    counts = np.zeros(256 * width, np.int64)
    for image_slice, label_slice in zip(image_hu, labels, strict=True):
        value = np.clip(image_slice, -_GREATEST, _GREATEST).astype(np.int32) + _GREATEST
        values, times = np.unique(label_slice.astype(np.int32) * width + value, return_counts=True)
        counts[values] += times
    return counts.reshape(256, width)


def _median(counts: np.ndarray) -> float | None:
    """Give the median of what was counted, as numpy does: the mean of the middle two."""
    total = int(counts.sum())
    if not total:
        return None
    middle = np.searchsorted(np.cumsum(counts), [(total + 1) // 2, total // 2 + 1])
    return float(middle.mean()) - _GREATEST
