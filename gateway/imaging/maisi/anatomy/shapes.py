"""Implicit shapes: functions that are negative inside and positive outside, about the distance near by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.imaging.maisi.anatomy.lattice import Bend, Noise, Points, Triple

FAR_MM = 16.0
"""Distances beyond are all the same."""
NOWHERE_MM = 1000.0
"""The distance where none is known, but that it is far."""
NEAR_MM = 9.0
"""How far about its surface a tube's distance is right."""
EVERYWHERE = (np.full(3, -2000.0), np.full(3, 2000.0))


@dataclass(frozen=True)
class Shape:
    """A part of space between two corners."""

    low: np.ndarray
    """mm, (3,); nothing is inside beyond `low` and `high`."""
    high: np.ndarray
    at: Callable[[Points], np.ndarray]
    """Signed distances in mm, float32 [x, y, z]."""

    def within(self, *others: "Shape", blend_mm: float = 0.0) -> "Shape":
        """Give what is also in the others."""
        low = np.max([self.low, *(each.low for each in others)], 0)
        high = np.min([self.high, *(each.high for each in others)], 0)
        return Shape(low, high, lambda p: -_least([-each.at(p) for each in (self, *others)], blend_mm))

    def without(self, *others: "Shape", blend_mm: float = 0.0) -> "Shape":
        """Give what is not in the others."""
        outsides = [Shape(*EVERYWHERE, lambda p, each=each: -each.at(p)) for each in others]  # type: ignore[misc]
        return self.within(*outsides, blend_mm=blend_mm)

    def grown(self, by_mm: float) -> "Shape":
        """Give it thicker all around, or thinner."""
        return Shape(self.low - max(by_mm, 0), self.high + max(by_mm, 0), lambda p: self.at(p) - by_mm)

    def rough(self, rng: np.random.Generator, amplitude_mm: float, step_mm: float) -> "Shape":
        """Give it with an uneven surface."""
        noise = Noise.draw(rng, self.low - 10, self.high + 10, step_mm)

        def at(p: Points) -> np.ndarray:
            start, stop = p.start, p.start + p.shape
            x, y, z = (np.arange(a, b) * 2.0 for a, b in zip(start, stop, strict=True))
            return np.asarray(self.at(p) + np.float32(amplitude_mm) * noise.on((x, y, z)))

        return Shape(self.low - amplitude_mm, self.high + amplitude_mm, at)

    def depth_at(self, point_mm: Triple, bend: Bend) -> float:
        """Give the distance to the surface from the lattice's point next to this one; negative inside."""
        start = np.round(np.asarray(point_mm) / 2.0).astype(int)
        return float(self.at(bend.points(start, start + 1))[0, 0, 0])


def join(*shapes: Shape, blend_mm: float = 0.0) -> Shape:
    """Give what is in any of the shapes, their seams rounded."""
    low = np.min([each.low for each in shapes], 0) - blend_mm / 4
    high = np.max([each.high for each in shapes], 0) + blend_mm / 4
    margin = max(FAR_MM, blend_mm) + Bend.MARGIN_MM

    def at(p: Points) -> np.ndarray:
        field = np.full(p.shape, NOWHERE_MM, np.float32)
        for each in shapes:
            part = p.near(each.low - margin, each.high + margin)
            if part is not None:
                field[part] = _least([field[part], each.at(p.part(part))], blend_mm)
        return field

    return Shape(low, high, at)


def _least(values: Sequence[np.ndarray], blend_mm: float) -> np.ndarray:
    """Give the least of each, or a smooth one that is lower by up to a quarter of the blend."""
    least = values[0]
    for value in values[1:]:
        lower = np.minimum(least, value)
        if blend_mm:
            gap = np.clip(1 - np.abs(least - value) / np.float32(blend_mm), 0, None)
            lower = lower - gap * gap * np.float32(blend_mm / 4)
        least = lower
    return least


def where(at: Callable[[Points], np.ndarray]) -> Shape:
    """Give the half of space, or what else has no end, where a function is negative."""
    return Shape(*EVERYWHERE, at)


def ellipsoid(centre: Triple, radii: Triple, turn: Triple = (0.0, 0.0, 0.0)) -> Shape:
    """Give an ellipsoid, turned about x, then y, then z by degrees."""
    middle, radii = np.asarray(centre, float), np.asarray(radii, float)
    axes = _rotation(turn).astype(np.float32)
    reach = np.sqrt(((axes.T * radii) ** 2).sum(1))

    def at(p: Points) -> np.ndarray:
        x, y, z = p.x - middle[0], p.y - middle[1], p.z - middle[2]
        own = [
            (x * row[0] + y * row[1] + z * row[2]) / r for row, r in zip(axes, radii.tolist(), strict=True)
        ]
        norm = np.sqrt(own[0] ** 2 + own[1] ** 2 + own[2] ** 2)
        slope = np.sqrt(sum((each / r) ** 2 for each, r in zip(own, radii.tolist(), strict=True)))
        return np.asarray(norm * (norm - 1) / np.maximum(slope, 1e-6), np.float32)

    return Shape(middle - reach, middle + reach, at)


def _rotation(turn: Triple) -> np.ndarray:
    """Give the rows that turn a point of space into an ellipsoid's own axes."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray((about_z @ about_y @ about_x).T)


def tube(
    points: Sequence[Triple] | np.ndarray,
    radii: float | Sequence[float] | np.ndarray,
    *,
    squash: Triple = (1.0, 1.0, 1.0),
    step_mm: float = 7.0,
) -> Shape:
    """Give a bent tube along a smooth line.

    Parameters
    ----------
    points
        What the line passes, mm, (n, 3).
    radii
        At the points, mm: one for all, or n.
    squash
        The tube's thickness is divided by these along x, y and z.
    step_mm
        The length of its straight pieces.
    """
    line = np.asarray(points, float)
    profile = np.broadcast_to(np.asarray(radii, float), len(line))
    dense = curve(np.column_stack([line, profile]), step_mm)
    scale = np.asarray(squash, np.float32)
    reach = dense[:, 3:] / scale

    def at(p: Points) -> np.ndarray:
        field = np.full(p.shape, FAR_MM, np.float32)
        for a, b, margin in zip(dense[:-1], dense[1:], np.maximum(reach[:-1], reach[1:]), strict=True):
            outer = margin + NEAR_MM + Bend.MARGIN_MM
            part = p.near(np.minimum(a, b)[:3] - outer, np.maximum(a, b)[:3] + outer)
            if part is not None:
                np.minimum(field[part], _capsule(p, part, a, b, scale), out=field[part])
        return field

    return Shape((dense[:, :3] - reach).min(0), (dense[:, :3] + reach).max(0), at)


def _capsule(
    p: Points, part: tuple[slice, slice, slice], a: np.ndarray, b: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    x, y, z = (
        (axis[part] - np.float32(origin)) * each
        for axis, origin, each in zip((p.x, p.y, p.z), a[:3], scale, strict=True)
    )
    dx, dy, dz = ((b - a)[:3] * scale).astype(np.float32)
    along = np.clip((x * dx + y * dy + z * dz) / max(float(dx * dx + dy * dy + dz * dz), 1e-6), 0, 1)
    away = np.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2 + (z - along * dz) ** 2)
    return np.asarray(away - (np.float32(a[3]) + along * np.float32(b[3] - a[3])))


def plate(rim: Sequence[Triple] | np.ndarray, thickness_mm: float) -> Shape:
    """Give a thin bowed plate, such as the wing of a hip bone.

    Parameters
    ----------
    rim
        Points around it, mm, (n, 3), in order; the last is not the first. Each ray from their middle meets
        the rim once. The plate lies on the quadratic surface nearest to them.
    thickness_mm
        Between its two faces.
    """
    points = np.asarray(rim, float)
    middle = points.mean(0)
    axes = np.linalg.svd(points - middle)[2]  # the last is across the plate
    u, v, w = ((points - middle) @ axes.T).T
    bow = np.linalg.lstsq(_quadratic(u, v), w, rcond=None)[0].astype(np.float32)
    outline = curve(np.column_stack([u, v, 0 * u])[[-2, -1, *range(len(u)), 0, 1]], 3.0)
    angle, radius = np.arctan2(outline[:, 1], outline[:, 0]), np.hypot(outline[:, 0], outline[:, 1])

    def at(p: Points) -> np.ndarray:
        x, y, z = p.x - middle[0], p.y - middle[1], p.z - middle[2]
        u, v, w = (x * row[0] + y * row[1] + z * row[2] for row in axes.astype(np.float32))
        c = bow.tolist()
        off = w - (c[0] + c[1] * u + c[2] * v + c[3] * u * u + c[4] * u * v + c[5] * v * v)
        slope = (c[1] + 2 * c[3] * u + c[4] * v) ** 2 + (c[2] + c[4] * u + 2 * c[5] * v) ** 2
        across = np.abs(off) / np.sqrt(1 + slope) - thickness_mm / 2
        beyond = np.hypot(u, v) - np.interp(np.arctan2(v, u), angle, radius, period=2 * np.pi)
        return np.asarray(np.maximum(across, beyond), np.float32)

    reach = np.abs(points - middle).max(0) + thickness_mm
    return Shape(middle - reach, middle + reach, at)


def _quadratic(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones_like(u), u, v, u * u, u * v, v * v])


def curve(points: np.ndarray, step: float) -> np.ndarray:
    """Give a smooth line through points (Catmull-Rom), a point at every `step` of the first three columns."""
    points = np.asarray(points, float)
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    pieces = []
    for before, start, stop, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        count = max(1, int(np.ceil(np.linalg.norm((stop - start)[:3]) / step)))
        t = (np.arange(count) / count)[:, None]
        pieces.append(
            start
            + t * (stop - before) / 2
            + t**2 * (2 * before - 5 * start + 4 * stop - after) / 2
            + t**3 * (3 * start - before - 3 * stop + after) / 2
        )
    return np.concatenate([*pieces, points[-1:]])


def mirrored(points: Sequence[Triple], side: int) -> np.ndarray:
    """Give points of the right side on a side: 1 is right, -1 is left."""
    return np.asarray(points, float) * (side, 1, 1)
