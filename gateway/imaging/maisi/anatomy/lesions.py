"""Tumours and cysts, which are only drawn where they are asked for."""

from collections.abc import Mapping, Sequence

import numpy as np

from gateway.imaging.maisi.anatomy.abdomen import cyst
from gateway.imaging.maisi.anatomy.body import SIDES, Body
from gateway.imaging.maisi.anatomy.parts import Part, index_of, part
from gateway.imaging.maisi.anatomy.shapes import Shape, ellipsoid
from gateway.imaging.maisi.labels import HOSTS

RADIUS_MM = {
    "lung tumor": (5, 30),
    "hepatic tumor": (6, 36),
    "pancreatic tumor": (5, 22),
    "colon cancer primaries": (7, 26),
    "bone lesion": (6, 26),
}
"""Of the smallest and the greatest of each."""
OVER = {
    "pancreatic tumor": ("pancreas", "body"),
    "colon cancer primaries": ("colon", "body"),
}
"""What a tumour may grow into, where that is not its host alone."""
TRIES = 400
Corners = tuple[np.ndarray, np.ndarray]


def lesion_parts(
    body: Body, asked: Mapping[str, float], organs: Sequence[Part], low: np.ndarray, high: np.ndarray
) -> list[Part]:
    """Give a part for each tumour, within the corners of the field of view.

    Parameters
    ----------
    asked
        Tumours and their size, 0..1.
    organs
        All other parts.
    low, high
        Corners in the template, mm.
    """
    return [
        part(name, _tumour(body, name, size, organs, (low, high)), over=OVER.get(name, HOSTS[name]))
        for name, size in asked.items()
    ]


def cyst_parts(body: Body, names: Sequence[str]) -> list[Part]:
    """Give the kidney cysts that are named."""
    return [
        part(f"{side} kidney cyst", cyst(body, sign), over=(f"{side} kidney", "body"))
        for side, sign in SIDES.items()
        if f"{side} kidney cyst" in names
    ]


def _tumour(body: Body, name: str, size: float, organs: Sequence[Part], corners: Corners) -> Shape:
    rng = body.rng(name)
    least, most = RADIUS_MM[name]
    radius = least + (most - least) * size
    stretch = rng.uniform(0.8, 1.2, 3)
    stretch /= stretch.prod() ** (1 / 3)
    turn = rng.uniform(0, 180, 3)
    centre = _place(body, name, organs, corners)
    return ellipsoid(centre, radius * stretch, turn).rough(rng, 0.14 * radius, max(6.0, 0.55 * radius))


def _place(body: Body, name: str, organs: Sequence[Part], corners: Corners) -> np.ndarray:
    """Give a point well inside the host, in the field of view as far as the host is."""
    rng = body.rng(f"place of {name}")
    hosts = {index_of(host) for host in HOSTS[name]}
    shapes = [each.shape for each in organs if each.label in hosts and _meets(each.shape, corners)]
    shapes = shapes or [each.shape for each in organs if each.label in hosts]
    best, best_depth = np.zeros(3), np.inf
    for _ in range(TRIES):
        shape = shapes[rng.integers(len(shapes))]
        low, high = np.maximum(shape.low, corners[0] + 6), np.minimum(shape.high, corners[1] - 6)
        point = rng.uniform(np.minimum(low, high), np.maximum(low, high))
        depth = shape.depth_at(point, body.bend)
        if depth < best_depth:
            best, best_depth = point, depth
        if best_depth < -7:
            break
    return best


def _meets(shape: Shape, corners: Corners) -> bool:
    return bool((np.minimum(shape.high, corners[1] - 6) - np.maximum(shape.low, corners[0] + 6) > 6).all())
