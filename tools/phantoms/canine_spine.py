"""The spine of a drawn dog: C1 to L5, each vertebra a quadrilateral with its processes."""

from dataclasses import dataclass

import numpy as np

from tools.phantoms.canine_canvas import Points, View, ellipse, smooth

NAMES = (
    *(f"C{number}" for number in range(1, 8)),
    *(f"T{number}" for number in range(1, 14)),
    *(f"L{number}" for number in range(1, 6)),
)
T1, T4, T9, T10, T11, T13 = (NAMES.index(name) for name in ("T1", "T4", "T9", "T10", "T11", "T13"))
VENTRAL_THIRD = 0.3
"""Height of the landmarks above the ventral border, as a share of the body's height."""


@dataclass(frozen=True)
class Spine:
    """Vertebrae in their own frame: T4's cranial edge at (0, 0), T9's caudal edge at (6, 0)."""

    cranial: Points
    """(25, 2): cranial edge of each body at its ventral third."""
    caudal: Points
    """(25, 2): caudal edge of each body at its ventral third."""
    ventral: np.ndarray
    """(25, 2): unit vectors from the canal to the belly."""
    height: np.ndarray
    """(25,): dorsoventral height of each body."""
    wedge: np.ndarray
    """(25,): share by which the ventral edge of a body is shorter than its dorsal edge."""
    process_length: np.ndarray
    """(25,): length of the spinous processes."""
    process_tilt: np.ndarray
    """(25,): how far they lean caudally, radians from the dorsal direction."""
    spurs: tuple[int, ...]
    """Bodies with a spondylosis bridge to the next one."""

    def at(self, number: np.ndarray | int, along: np.ndarray | float, down: np.ndarray | float) -> Points:
        """Give points of bodies: along 0 to 1 from cranial to caudal, down 0 to 1 from canal to belly."""
        number, along = np.asarray(number), np.asarray(along, float)[..., None]
        line = self.cranial[number] + along * (self.caudal[number] - self.cranial[number])
        offset = (np.asarray(down, float) - 1 + VENTRAL_THIRD) * self.height[number]
        return np.asarray(line + offset[..., None] * self.ventral[number])


def spine_of(rng: np.random.Generator) -> Spine:
    """Draw a spine's parameters."""
    count = np.arange(len(NAMES))
    lengths = _lengths(rng, count - T4)
    heading = _headings(rng, count)
    step = np.stack([np.cos(heading), -np.sin(heading)], 1) * lengths[:, None]
    cranial = np.cumsum(step, 0) - step
    caudal = cranial + step * (1 - rng.uniform(0.08, 0.15))
    origin, towards = cranial[T4], caudal[T9] - cranial[T4]
    turn = np.array([[towards[0], towards[1]], [-towards[1], towards[0]]]) * 6 / (towards @ towards)
    ahead = (caudal - cranial) @ turn.T
    ahead /= np.linalg.norm(ahead, axis=1)[:, None]
    height = rng.uniform(0.58, 0.78) * (1 + 0.012 * (count - T4)) * (1 + rng.normal(0, 0.015, len(count)))
    wedge = np.zeros(len(NAMES))
    if rng.random() < 0.08:
        wedge[rng.integers(T4, T13)] = rng.uniform(0.15, 0.5)
    spurs = tuple(rng.integers(T4 - 1, T13 + 3, rng.integers(1, 5)).tolist()) if rng.random() < 0.12 else ()
    lengths_out, tilt = _processes(rng)
    return Spine(
        (cranial - origin) @ turn.T, (caudal - origin) @ turn.T, np.stack([-ahead[:, 1], ahead[:, 0]], 1),
        height, wedge, lengths_out, tilt, spurs,
    )  # fmt: skip


def _lengths(rng: np.random.Generator, place: np.ndarray) -> np.ndarray:
    """Give lengths of body and disc: slowly growing, longer in neck and loins."""
    lengths = (1 + rng.uniform(0, 0.03)) ** place * (1 + rng.normal(0, 0.012, len(place)))
    neck = np.clip(T1 - T4 - place, 0, 3) / 3
    return np.asarray(lengths * (1 + rng.uniform(0.15, 0.4) * neck) * np.where(place > T13 - T4, 1.12, 1.0))


def _headings(rng: np.random.Generator, count: np.ndarray) -> np.ndarray:
    """Give each vertebra's direction, radians dorsal of caudal: arched in the chest, hollow in the neck."""
    arch = np.deg2rad(rng.uniform(0, 3.2))
    heading = arch * (T9 - np.clip(count, T1 + 1, T13 + 1) - 2.5)
    hollow = np.deg2rad(rng.uniform(0, 11))
    heading = heading - hollow * np.clip(T1 + 1 - count, 0, None)
    loins = np.deg2rad(rng.uniform(-2, 2)) * np.clip(count - T13, 0, None)
    return np.asarray(heading + loins + rng.normal(0, 0.008, len(count)))


def _processes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give length and caudal lean of the spinous processes: anticlinal at T11."""
    knots = (0, T1 - 1, T1, T4, T10, T11, T13, len(NAMES))
    long = rng.uniform(1.5, 2.3)
    lengths = np.interp(np.arange(len(NAMES)), knots, (0.3, 0.6, long, long * 0.95, 0.85, 0.7, 0.75, 0.8))
    lean = rng.uniform(0.45, 0.8)
    tilt = np.interp(
        np.arange(len(NAMES)), knots, (0.2, 0.0, lean * 0.7, lean, lean * 1.35, 0.1, -0.25, -0.3)
    )
    return lengths, tilt


def body_outlines(spine: Spine) -> Points:
    """Give the bodies' outlines, (25, 10, 2), waisted below and hollow at their ends."""
    short = spine.wedge[:, None] / 2 * np.array([0, 0, 0, 0, -1, -0.5, 0, 0.5, 1, 0])
    along = np.array([0.0, 0.5, 1.0, 0.985, 1.0, 0.75, 0.5, 0.25, 0.0, 0.015]) + short
    down = np.array([0.0, 0.03, 0.0, 0.5, 1.0, 0.93, 0.9, 0.93, 1.0, 0.5])
    return spine.at(_EACH, along, np.broadcast_to(down, along.shape))


_EACH = np.arange(len(NAMES))[:, None]


def draw_spine(spine: Spine, view: View, rng: np.random.Generator) -> np.ndarray:
    """Give the thickness of bone along the beam, float32 (rows, columns), about 1 for a body."""
    outlines = body_outlines(spine)
    bodies = view.layer().patches(outlines)
    rims = view.layer()
    rims.lines(outlines[:, [0, 9, 8]], 0.07).lines(outlines[:, 2:5], 0.07)
    rims.lines(outlines[:, 4:9], 0.05, 0.8).lines(outlines[:, :3], 0.05, 0.7)
    for number in spine.spurs:
        bridge = [spine.at(number, 0.8, 1.0), spine.at(number, 1.06, 1.22), spine.at(number + 1, 0.2, 1.0)]
        rims.tube(smooth(np.array(bridge), 9), 0.14, 1.2)
    arches, tips = _arches(spine, view, rng)
    # A body seen from the side is a cylinder: denser towards its middle than at canal and belly.
    whole = 0.5 * bodies.density() + 0.25 * bodies.solid(0.2) + rng.uniform(0.3, 0.6) * rims.density()
    return np.asarray(whole + arches + tips)


def _arches(spine: Spine, view: View, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give pedicles with articular processes and rib heads, and spinous processes."""
    along = np.array([0.08, 0.0, -0.12, 0.2, 0.55, 1.1, 1.2, 0.8, 0.66])
    down = np.array([0.05, -0.35, -0.62, -0.72, -0.85, -0.75, -0.45, -0.4, 0.05])
    arches = view.layer().patches(spine.at(_EACH, along, down), 0.45)
    for number in range(T1, T13 + 1):
        arches.patch(ellipse(spine.at(number, 0.02, 0.2), (0.13, 0.16)), 0.5)
        arches.patch(ellipse(spine.at(number, 0.3, -0.4), (0.16, 0.13)), 0.75)
    strength = rng.uniform(0.5, 0.8)
    tips = view.layer().patches(np.array([_process(spine, number) for number in range(len(NAMES))]), strength)
    inner = np.array([_process(spine, number, 0.55) for number in range(len(NAMES))])
    return arches.density(), tips.patches(inner, 0.65 * strength).density()


def _process(spine: Spine, number: int, narrow: float = 1.0) -> Points:
    """Give a spinous process's outline, (7, 2)."""
    ahead = spine.caudal[number] - spine.cranial[number]
    ahead = ahead / np.linalg.norm(ahead)
    tilt, length = spine.process_tilt[number], spine.process_length[number]
    out = -np.cos(tilt) * spine.ventral[number] + np.sin(tilt) * ahead
    across = np.array([-out[1], out[0]])
    across = narrow * np.sign(across @ ahead) * across * np.interp(length, (0.6, 1.8), (0.3, 0.17))
    root = spine.at(number, 0.55, -0.65)
    return np.array([
        root - 1.5 * across, root + 0.4 * length * out - 0.75 * across, root + length * out - 0.9 * across,
        root + (length + 0.12 * narrow) * out, root + length * out + across,
        root + 0.4 * length * out + 0.8 * across, root + 1.5 * across,
    ])  # fmt: skip
