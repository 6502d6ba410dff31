"""Points of the template at which shapes are sampled, and smooth noise on them."""

from dataclasses import dataclass

import numpy as np

PITCH_MM = 2.0
Triple = tuple[float, float, float] | np.ndarray


@dataclass(frozen=True)
class Noise:
    """Smooth random values: a cubic B-spline over a coarse grid of random ones, zero far outside."""

    origin_mm: np.ndarray
    step_mm: float
    knots: np.ndarray
    """float32 [x, y, z], values about -1..1."""

    @classmethod
    def draw(cls, rng: np.random.Generator, low: Triple, high: Triple, step_mm: float) -> "Noise":
        """Draw noise that covers the box from `low` to `high`, with waves of about twice the step."""
        first = np.floor(np.asarray(low, float) / step_mm) - 2
        last = np.ceil(np.asarray(high, float) / step_mm) + 3
        knots = rng.uniform(-1.6, 1.6, (last - first).astype(int)).astype(np.float32)
        return cls(first * step_mm, step_mm, knots)

    def on(self, axes_mm: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
        """Give the values on the grid of three coordinate axes, float32 [x, y, z]."""
        x, y, z = (
            _spline_weights((axis - origin) / self.step_mm, count)
            for axis, origin, count in zip(axes_mm, self.origin_mm, self.knots.shape, strict=True)
        )
        values = np.tensordot(x, self.knots, (1, 0))
        values = np.matmul(y, values)
        return np.asarray(np.matmul(values, z.T))


def _spline_weights(positions: np.ndarray, count: int) -> np.ndarray:
    """Give what each knot adds at each position, float32 (positions, knots): a uniform cubic B-spline."""
    away = np.abs(positions[:, None] - np.arange(count)[None])
    near = 2 / 3 - away**2 + away**3 / 2
    far = np.clip(2 - away, 0, None) ** 3 / 6
    return np.where(away < 1, near, far).astype(np.float32)


@dataclass(frozen=True)
class Points:
    """A box of the lattice, and where its points lie in the unbent template."""

    start: np.ndarray
    """Lattice index of the first point, (3,)."""
    x: np.ndarray
    """float32 [x, y, z], mm, as `y` and `z`."""
    y: np.ndarray
    z: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many points along each axis."""
        return self.x.shape  # type: ignore[return-value]

    def part(self, place: tuple[slice, slice, slice]) -> "Points":
        """Give a part of the box."""
        first = np.array([each.start for each in place])
        return Points(self.start + first, self.x[place], self.y[place], self.z[place])

    def near(self, low: np.ndarray, high: np.ndarray) -> tuple[slice, slice, slice] | None:
        """Give the part of the box that lies between two corners, or None where there is nothing."""
        first = np.maximum(np.floor(low / PITCH_MM).astype(int) - self.start, 0)
        last = np.minimum(np.ceil(high / PITCH_MM).astype(int) + 1 - self.start, self.shape)
        if (first >= last).any():
            return None
        return tuple(slice(a, b) for a, b in zip(first, last, strict=True))  # type: ignore[return-value]


@dataclass(frozen=True)
class Bend:
    """A gentle bending of the whole template, so that no two bodies are similar in any of their curves."""

    shifts: tuple[Noise, Noise, Noise]
    amplitude_mm: float

    MARGIN_MM = 9.0
    """More than any point is moved."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Bend":
        """Draw one for the whole body, arms over the head included."""
        low, high = (-420.0, -320.0, -1000.0), (420.0, 320.0, 1200.0)
        x, y, z = (Noise.draw(rng, low, high, 70.0) for _ in range(3))
        return cls((x, y, z), 6.0)

    def points(self, start: np.ndarray, stop: np.ndarray) -> Points:
        """Give the lattice's points from index `start` up to, without, `stop`."""
        axes = [np.arange(a, b) * PITCH_MM for a, b in zip(start, stop, strict=True)]
        grid = (axes[0], axes[1], axes[2])
        moved = [
            axis.astype(np.float32).reshape([-1 if n == k else 1 for n in range(3)])
            + np.clip(np.float32(self.amplitude_mm) * shift.on(grid), -self.MARGIN_MM, self.MARGIN_MM)
            for k, (axis, shift) in enumerate(zip(axes, self.shifts, strict=True))
        ]
        return Points(np.asarray(start), *moved)
