"""Vertebrae, sacrum and spinal cord."""

import numpy as np

from gateway.imaging.maisi.anatomy.body import SPINE, Body, spine_y
from gateway.imaging.maisi.anatomy.lattice import Points
from gateway.imaging.maisi.anatomy.parts import Part, part
from gateway.imaging.maisi.anatomy.shapes import Shape, ellipsoid, join, tube

# Name: height (z), of the body half width, half depth and height; reach of the spinous process backwards and
# downwards, and of the transverse processes sidewards. All in mm.
VERTEBRAE = {
    "S1": (104, 25, 17, 25, 22, 8, 0),
    "L5": (132, 26, 18, 27, 28, 8, 44),
    "L4": (168, 25, 18, 28, 32, 8, 44),
    "L3": (203, 24, 17.5, 28, 33, 8, 47),
    "L2": (238, 23, 17, 27, 32, 8, 43),
    "L1": (272, 22, 16.5, 26, 30, 8, 39),
    "T12": (305, 21, 16, 25, 27, 10, 25),
    "T11": (334, 20, 16, 23, 27, 14, 27),
    "T10": (361, 19, 16, 22, 28, 18, 30),
    "T9": (387, 18, 15.5, 21, 29, 21, 31),
    "T8": (412, 17, 15.5, 20, 30, 24, 32),
    "T7": (436, 16.5, 15, 19.5, 30, 25, 33),
    "T6": (459, 16, 14.5, 19, 30, 25, 33),
    "T5": (481, 15.5, 14, 18.5, 30, 22, 34),
    "T4": (503, 15, 13, 18, 29, 19, 34),
    "T3": (524, 15, 12, 17.5, 29, 16, 34),
    "T2": (545, 15.5, 11, 17, 30, 12, 35),
    "T1": (565, 16, 10, 16, 31, 9, 37),
    "C7": (584, 15, 9, 14, 34, 8, 32),
    "C6": (601, 13, 8.5, 12.5, 24, 7, 28),
    "C5": (617, 12, 8, 12.5, 20, 6, 27),
    "C4": (633, 12, 8, 12.5, 19, 6, 26),
    "C3": (649, 11.5, 7.5, 13, 20, 6, 26),
    "C2": (668, 11, 7.5, 19, 24, 7, 26),
    "C1": (690, 8, 5, 9, 10, 0, 37),
}


def spine_parts(body: Body) -> list[Part]:
    """Give all vertebrae from below, the sacrum before them, and the cord in their canal."""
    cord = [(0, _canal_y(name), VERTEBRAE[name][0]) for name in VERTEBRAE if name not in ("S1", "L5")]
    cord.append((0, spine_y(705) - 14, 708))
    parts = [part("sacrum", _sacrum(body))]
    parts += [part(f"vertebrae {name}", _vertebra(body, name)) for name in VERTEBRAE]
    return [*parts, part("spinal cord", tube(cord, 6.5, step_mm=12))]


def _canal_y(name: str) -> float:
    z, _, depth, *_ = VERTEBRAE[name]
    return spine_y(z) - depth - (10 if name[0] in "LS" else 9)


def _tilt(z: float) -> tuple[float, float]:
    """Give cosine and sine of the spine's lean at a height."""
    slope = np.gradient(SPINE[:, 1], SPINE[:, 0])
    angle = np.arctan(np.interp(z, SPINE[:, 0], slope))
    return float(np.cos(angle)), float(np.sin(angle))


def _vertebra(body: Body, name: str) -> Shape:
    z, width, depth, height, back, down, across = VERTEBRAE[name]
    thoracic = name[0] == "T"
    canal = -depth - (10 if name[0] in "LS" else 9)
    cos, sin = _tilt(z)

    def out(x: float, y: float, up: float) -> tuple[float, float, float]:
        return x, spine_y(z) + y * cos + up * sin, z + up * cos - y * sin

    block = _block(z, width, depth, height, name)
    rear = canal - 11
    arch = [
        tube(
            [
                out(s * 11, -depth + 2, 3),
                out(s * 12.5, canal, 2),
                out(s * 7, rear + 1, -2),
                out(0, rear - 2, -3),
            ],
            [5.0, 4.6, 4.4, 4.4],
            squash=(1, 1, 0.6),
        )
        for s in (1, -1)
    ]
    spinous = tube(
        [out(0, rear, -3), out(0, rear - back * 0.6, -3 - down * 0.6), out(0, rear - back, -3 - down)],
        [5, 4.2, 5],
        squash=(1.5, 1, 0.75),
    )
    pieces = [block, *arch, spinous]
    if across:
        sweep = -14 if thoracic else -5
        reach = [(out(s * 11, canal + 3, 2), out(s * across, canal + sweep, 4)) for s in (1, -1)]
        pieces += [tube([a, b], [5.5, 3.8], squash=(1, 1, 0.8)) for a, b in reach]
    if name[0] in "LT":
        joints = [out(s * 15, canal - 5, -height * 0.5) for s in (1, -1)]
        pieces += [ellipsoid(each, (5.5, 6.5, 9)) for each in joints]
    hole = tube([out(0, canal, -height), out(0, canal, height)], 8.8 if name[0] != "L" else 9.5)
    whole = join(*pieces, blend_mm=4).without(hole, blend_mm=2)
    return whole.rough(body.rng(f"vertebrae {name}"), 0.6, 8)


def _block(z: float, width: float, depth: float, height: float, name: str) -> Shape:
    """Give the vertebra's body: an oval drum with a waist, hollow at the back."""
    cos, sin = _tilt(z)
    y0 = spine_y(z)

    def at(p: Points) -> np.ndarray:
        dy, dz = p.y - y0, p.z - z
        ahead, up = dy * cos - dz * sin, dy * sin + dz * cos
        waist = 0.9 + 0.1 * (up / (height / 2)) ** 2
        x, y = np.abs(p.x) / (width * waist), np.abs(ahead) / (depth * waist)
        round_ = ((x**2.4 + y**2.4 + 1e-6) ** np.float32(1 / 2.4) - 1) * min(width, depth) * 1.1
        ends = np.abs(up) - height / 2
        corner = np.clip(1 - np.abs(round_ - ends) / 4, 0, None)
        return np.asarray(np.maximum(round_, ends) + corner * corner, np.float32)

    reach = np.array([width, depth + height / 2, depth / 2 + height / 2]) + 3
    centre = np.array([0, y0, z])
    if name == "C2":
        return join(
            Shape(centre - reach, centre + reach, at), tube([(0, y0, z + 5), (0, y0 + 4, z + 24)], [5.5, 4.5])
        )
    return Shape(centre - reach, centre + reach, at)


def _sacrum(body: Body) -> Shape:
    """Give the sacrum and coccyx: a bent shield with wings up to the iliac bones."""
    line = [(0, spine_y(z) - 8, z) for z in (98, 78, 56, 34, 16)]
    shield = tube(line, [15, 14, 12, 9.5, 7.5], squash=(0.42, 1, 1))
    wings = [
        tube([(s * 18, -50, 100), (s * 36, -56, 88), (s * 46, -64, 66), (s * 34, -74, 44)], [13, 13, 11, 8],
             squash=(1, 1, 0.8))
        for s in (1, -1)
    ]  # fmt: skip
    crest = tube([(0, -76, 92), (0, -94, 70), (0, -94, 40)], [5, 5, 4])
    tail = tube([(0, spine_y(14) - 6, 14), (0, -72, -2), (0, -58, -16)], [7, 5, 3.5], squash=(0.7, 1, 1))
    canal = tube([(0, _canal_y("S1"), 112), (0, -82, 75), (0, -90, 45)], [8, 7, 4])
    whole = join(shield, *wings, crest, tail, blend_mm=8).without(canal, blend_mm=2)
    return whole.rough(body.rng("sacrum"), 0.8, 10)
