"""What an anatomy consists of: a label, its shape, and what it may be painted over."""

from typing import NamedTuple

from gateway.imaging.maisi.anatomy.shapes import Shape
from gateway.imaging.maisi.labels import BODY, LABELS

AIR = 0


class Part(NamedTuple):
    """One shape to be painted."""

    label: int
    """The voxel value."""
    shape: Shape
    over: tuple[int, ...] | None = None
    """Voxel values that it replaces; None replaces all."""


def part(name: str, shape: Shape, over: tuple[str, ...] | None = None) -> Part:
    """Give a part by names; `body` is everything without a label."""
    return Part(index_of(name), shape, None if over is None else tuple(index_of(each) for each in over))


def index_of(name: str) -> int:
    """Give a label's voxel value."""
    unlisted = {"body": BODY, "air": AIR}
    return unlisted[name] if name in unlisted else LABELS[name].index
