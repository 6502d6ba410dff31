"""The labels of a MAISI mask: names, indices, mask channels, size slots, DICOM SEG codes.

`labels.json` follows NV-Generate-CTMR's `label_dict.json` (names and indices), `label_dict_124_to_132.json`
(channels of the mask generator) and `sample.py` (size slots, groups of quality control). Codes are those that
TotalSegmentator's SNOMED table has for the same structure; the tumours it lacks are coded as its liver tumour
is, as a neoplasm of a region.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple


class Coded(NamedTuple):
    """One coded concept, as DICOM SEG writes it."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Label:
    """One structure of the mask."""

    name: str
    index: int
    """The voxel value, 1..200."""
    mask_channel: int | None
    """Its channel in the 125 of the mask generator; None where that cannot make it."""
    is_tumor: bool
    size_slot: int | None
    """Its place among `CONTROLLABLE`; None where its size cannot be asked for."""
    category: Coded
    type: Coded
    modifier: Coded | None
    """Left or right."""
    anatomic_region: Coded | None
    rgb: tuple[int, int, int]
    quality_group: str | None
    """The group of `quality.LIMITS_HU` that its voxels are judged in."""


BODY = 200
"""Everything inside the skin that has no label of its own."""
BODY_REGIONS = ("head", "chest", "thorax", "abdomen", "pelvis", "lower")
"""As requests name them; thorax is chest, and pelvis is lower."""


def _label(fields: dict[str, Any]) -> Label:
    codes = {
        key: None if fields[key] is None else Coded(*fields[key])
        for key in ("category", "type", "modifier", "anatomic_region")
    }
    return Label(**{**fields, **codes, "rgb": tuple(fields["rgb"])})


_ALL = tuple(_label(each) for each in json.loads(Path(__file__).with_name("labels.json").read_text("utf-8")))

LABELS: Mapping[str, Label] = MappingProxyType({each.name: each for each in _ALL if each.index != BODY})
"""The 124 names that can be asked for, in order of index; the official table's eight dummies are left out."""
BY_INDEX: Mapping[int, Label] = MappingProxyType({each.index: each for each in _ALL})
"""The same by voxel value, and `body`."""
CONTROLLABLE: tuple[str, ...] = tuple(
    each.name for each in sorted(_ALL, key=lambda each: each.size_slot or 0) if each.size_slot is not None
)
"""The ten whose size can be asked for, in the order of the official conditioning vector."""
TUMOURS: tuple[str, ...] = tuple(each.name for each in _ALL if each.is_tumor)
HOSTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "lung tumor": tuple(name for name in LABELS if name.endswith("lobe")),
        "pancreatic tumor": ("pancreas",),
        "hepatic tumor": ("liver",),
        "colon cancer primaries": ("colon",),
        "bone lesion": tuple(each.name for each in _ALL if each.quality_group == "bone"),
    }
)
"""Where each tumour grows."""
