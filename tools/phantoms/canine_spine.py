"""The spine of a drawn dog: C3 to L5, each vertebra a quadrilateral with its processes."""

from dataclasses import dataclass

import numpy as np

from tools.phantoms.canine_canvas import Points, View

NAMES = (
    *(f"C{number}" for number in range(3, 8)),
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
    """(23, 2): cranial edge of each body at its ventral third."""
    caudal: Points
    """(23, 2): caudal edge of each body at its ventral third."""
    ventral: np.ndarray
    """(23, 2): unit vectors from the canal to the belly."""
    height: np.ndarray
    """(23,): dorsoventral height of each body."""
    wedge: np.ndarray
    """(23,): share by which the ventral edge of a body is shorter than its dorsal edge."""
    process_length: np.ndarray
    """(23,): length of the spinous processes."""
    process_tilt: np.ndarray
    """(23,): how far they lean caudally, radians from the dorsal direction."""
    spurs: tuple[int, ...]
    """Bodies with a spondylosis bridge to the next one."""

    def at(self, number: int, along: float, down: float) -> Points:
        """Give a point of a body: 0 to 1 from its cranial to its caudal edge, 0 to 1 from canal to belly."""
        line = self.cranial[number] + along * (self.caudal[number] - self.cranial[number])
        offset = (down - 1 + VENTRAL_THIRD) * self.height[number]
        return np.asarray(line + offset * self.ventral[number])

    def ventral_line(self) -> Points:
        """Give the bodies' ventral border, (23, 2)."""
        return np.asarray([self.at(number, 0.5, 1.0) for number in range(len(NAMES))])


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
    return np.asarray(lengths * (1 + rng.uniform(0.2, 0.5) * neck) * np.where(place > T13 - T4, 1.12, 1.0))


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


def body_outline(spine: Spine, number: int) -> Points:
    """Give a body's outline, waisted below and hollow at its ends."""
    short = spine.wedge[number] / 2
    waist = 0.07
    places = (
        (0.0, 0.0), (0.5, 0.03), (1.0, 0.0), (0.985, 0.5), (1.0 - short, 1.0), (0.75 - short / 2, 1 - waist),
        (0.5, 1 - 1.4 * waist), (0.25 + short / 2, 1 - waist), (short, 1.0), (0.015, 0.5),
    )  # fmt: skip
    return np.array([spine.at(number, along, down) for along, down in places])


def draw_spine(spine: Spine, view: View, rng: np.random.Generator) -> np.ndarray:
    """Give the thickness of bone along the beam, float32 (rows, columns), 1 for a body."""
    numbers = range(len(NAMES))
    bodies = view.layer().patches([body_outline(spine, number) for number in numbers])
    plates = view.layer()
    plates.lines(
        [np.array([spine.at(n, end, 0.0), spine.at(n, end, 1.0)]) for n in numbers for end in (0.02, 0.98)],
        0.06,
    )
    plates.lines(
        [
            np.array([spine.at(n, a, d) for a, d in ((0, 1), (0.3, 0.92), (0.7, 0.92), (1, 1))])
            for n in numbers
        ],
        0.045,
        0.8,
    )
    plates.lines([np.array([spine.at(n, a, 0.02) for a in (0, 0.5, 1)]) for n in numbers], 0.045, 0.7)
    for number in spine.spurs:
        bridge = [spine.at(number, 0.8, 1.0), spine.at(number, 1.06, 1.22), spine.at(number + 1, 0.2, 1.0)]
        plates.tube(smooth_line(bridge), 0.14, 1.2)
    arches, tips = _arches(spine, view)
    # A body seen from the side is a cylinder: denser towards its middle than at canal and belly.
    rounded = 0.55 * bodies.density() + 0.25 * bodies.solid(0.2)
    return np.asarray(rounded + 0.4 * plates.density(0.02) + 0.55 * arches + 0.5 * tips)


def smooth_line(points: list[Points]) -> Points:
    """Give a curve through a few points."""
    from tools.phantoms.canine_canvas import smooth

    return smooth(np.asarray(points), 9)


def _arches(spine: Spine, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Give pedicles with articular processes, and spinous processes."""
    arches, tips = view.layer(), view.layer()
    for number in range(len(NAMES)):
        arches.patch(np.array([
            spine.at(number, a, d)
            for a, d in ((0.08, 0.05), (0.0, -0.35), (-0.12, -0.6), (0.5, -0.85), (1.1, -0.75), (1.2, -0.45),
                         (0.8, -0.4), (0.66, 0.05))
        ]))  # fmt: skip
        tips.patch(_process(spine, number))
    return arches.density(0.04), tips.density(0.02)


def _process(spine: Spine, number: int) -> Points:
    ahead = spine.caudal[number] - spine.cranial[number]
    ahead = ahead / np.linalg.norm(ahead)
    tilt, length = spine.process_tilt[number], spine.process_length[number]
    out = -np.cos(tilt) * spine.ventral[number] + np.sin(tilt) * ahead
    across = np.array([-out[1], out[0]])
    across = across * np.sign(across @ ahead)
    root = spine.at(number, 0.55, -0.65)
    wide = np.interp(length, (0.6, 1.8), (0.34, 0.2))
    tip = root + out * length
    return np.array([
        root - 1.3 * wide * across, root + 0.5 * (tip - root) - 0.75 * wide * across, tip - 0.85 * wide * across,
        tip + 0.12 * out, tip + 0.85 * wide * across, root + 0.5 * (tip - root) + 0.7 * wide * across,
        root + 1.3 * wide * across,
    ])  # fmt: skip
