"""Ribs, costal cartilages, sternum and the shoulder girdle."""

import numpy as np

from gateway.imaging.maisi.anatomy.body import CAVITY, SIDES, WALL, Body, arm_line, spine_y
from gateway.imaging.maisi.anatomy.parts import Part, part
from gateway.imaging.maisi.anatomy.shapes import Shape, ellipsoid, join, mirrored, plate, tube
from gateway.imaging.maisi.anatomy.spine import VERTEBRAE

DROP_MM = (22, 42, 58, 72, 84, 94, 100, 104, 100, 90, 62, 38)
"""How much lower a rib's front end is than its head."""
FRONT_DEGREES = (66, 63, 60, 57, 53, 48, 43, 34, 23, 10, -18, -40)
"""Where it ends: 0 is at the side, 90 at the front."""
STERNUM_Z = (548, 524, 503, 482, 462, 444, 430)
"""Where the first seven cartilages meet the sternum."""


def chest_bone_parts(body: Body) -> list[Part]:
    """Give cartilages first, then the bones."""
    ribs = {(side, n): _rib_line(n, SIDES[side]) for side in SIDES for n in range(1, 13)}
    cartilages = [_cartilage(ribs, side, n) for side in SIDES for n in range(1, 11)]
    parts = [part("costal cartilages", join(*cartilages))]
    parts += [part(f"{side} rib {n}", _rib(body, side, n, line)) for (side, n), line in ribs.items()]
    parts.append(part("sternum", _sternum(body)))
    for side, sign in SIDES.items():
        parts += [
            part(f"{side} scapula", _scapula(body, sign)),
            part(f"{side} clavicula", _clavicula(body, sign)),
            part(f"{side} humerus", _humerus(body, sign)),
        ]
    return parts


def around(z: float, degrees: float, side: int, outward_mm: float) -> tuple[float, float, float]:
    """Give a point about the chest's room: 0 degrees is at the side, 90 at the front, -90 at the back."""
    a, b, centre = (float(np.interp(z, CAVITY[:, 0], CAVITY[:, k])) for k in (1, 2, 3))
    x, y = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    level = (abs(x) ** 2.5 + abs(y) ** 2.5) ** (1 / 2.5)
    return (
        side * (a + outward_mm) * x / level,
        centre + 2 + (b - 2 + outward_mm) * y / level,
        z,
    )


def front_y(z: float) -> float:
    """Give y of the wall's front at the midline."""
    return float(np.interp(z, WALL[:, 0], WALL[:, 2] + WALL[:, 3]))


def _rib_line(n: int, side: int) -> np.ndarray:
    """Give a rib's line from its head to its cartilage, (12, 3)."""
    z = VERTEBRAE[f"T{n}"][0] + 8
    back = spine_y(z)
    head = [(side * 19, back - 8, z), (side * 34, back - 25, z + 2)]
    t = np.linspace(0.0, 1.0, 10)
    degrees = -64 + (FRONT_DEGREES[n - 1] + 64) * t
    heights = z + 3 - 6 * t - (DROP_MM[n - 1] - 3) * t**1.35
    bow = [around(h, d, side, 6.5) for h, d in zip(heights, degrees, strict=True)]
    return np.array([*head, *bow])


def _rib(body: Body, side: str, n: int, line: np.ndarray) -> Shape:
    thick = 5.0 if n < 11 else 4.2
    radii = np.interp(np.linspace(0, 1, len(line)), (0, 0.15, 0.8, 1), (0.9, 1, 0.95, 1.05)) * thick
    shape = tube(line, radii, squash=(1.12, 1.12, 0.78) if n > 1 else (0.8, 0.8, 1.2), step_mm=10)
    return shape.rough(body.rng(f"{side} rib {n}"), 0.5, 9)


def _cartilage(ribs: dict[tuple[str, int], np.ndarray], side: str, n: int) -> Shape:
    sign = SIDES[side]
    start = ribs[side, n][-1]
    z = STERNUM_Z[min(n, 7) - 1] - (0 if n < 8 else 5 * (n - 7))
    end = np.array([sign * (15 if n < 8 else 22 + 9 * (n - 7)), front_y(z) - 11, z])
    middle = 0.5 * (start + end)
    middle[1] = max(middle[1], min(start[1], end[1]) + 0.75 * abs(end[1] - start[1]))
    middle[2] -= 4 + 1.5 * n if n > 4 else 3
    return tube([start, middle, end], [5.2, 4.8, 4.6], squash=(1, 1, 0.85))


def _sternum(body: Body) -> Shape:
    manubrium = tube([(0, front_y(z) - 12, z) for z in (563, 545, 525)], [9, 9, 7], squash=(0.38, 1, 1))
    blade = tube(
        [(0, front_y(z) - 11, z) for z in (522, 480, 440, 420)], [6.5, 6.5, 7.5, 6], squash=(0.42, 1, 1)
    )
    tip = tube([(0, front_y(z) - 12, z) for z in (418, 396)], [5, 2.6], squash=(0.6, 1, 1))
    return join(manubrium, blade, tip, blend_mm=5).rough(body.rng("sternum"), 0.8, 9)


def _scapula(body: Body, side: int) -> Shape:
    """Give a thin plate behind the ribs, with its spine, acromion, coracoid and socket."""
    rim = [(74, -98, 540), (72, -106, 510), (76, -108, 475), (86, -103, 435), (104, -94, 455),
           (122, -73, 492), (136, -42, 520), (130, -46, 538), (104, -78, 546)]  # fmt: skip
    edge = tube(mirrored(rim[3:7], side), [3.6, 4.6, 5, 6], step_mm=10)
    blade = join(plate(mirrored(rim, side), 5.0), edge, blend_mm=4)
    spine = tube(mirrored([(78, -107, 520), (112, -90, 540), (146, -62, 562), (160, -28, 566)], side),
                 [3.5, 5, 5.5, 6])  # fmt: skip
    coracoid = tube(mirrored([(132, -28, 545), (130, -4, 552), (136, 8, 546)], side), [6, 5.5, 5])
    cup = ellipsoid(mirrored([(138, -34, 528)], side)[0], (8, 13, 17))
    return join(blade, spine, coracoid, cup, blend_mm=5).rough(body.rng(f"scapula {side}"), 0.6, 9)


def _clavicula(body: Body, side: int) -> Shape:
    inner = front_y(560) - 6
    line = [
        (20, inner - 4, 563),
        (48, inner + 2, 570),
        (90, inner - 18, 578),
        (128, -12, 578),
        (152, -20, 574),
    ]
    return tube(mirrored(line, side), [9, 6.2, 5.4, 5.8, 6.4]).rough(body.rng(f"clavicula {side}"), 0.5, 9)


def _humerus(body: Body, side: int) -> Shape:
    shoulder, middle, elbow, _ = arm_line(body, side)
    along = (elbow - shoulder) / np.linalg.norm(elbow - shoulder)
    head = ellipsoid(np.add(shoulder, (side * 2, 4, -2)), (22, 22, 22))
    shaft = tube([shoulder + 14 * along, middle, elbow - 30 * along], [14, 10.5, 11], step_mm=16)
    ends = [ellipsoid(elbow - 8 * along + (s * 16, 0, 0), (15, 12, 13)) for s in (1, -1)]
    return join(head, shaft, *ends, blend_mm=10).rough(body.rng(f"humerus {side}"), 0.8, 12)
