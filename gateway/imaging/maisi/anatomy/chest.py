"""Lungs by lobes, airways, heart, oesophagus, thyroid."""

import numpy as np

from gateway.imaging.maisi.anatomy.body import LEFT, RIGHT, Body, cavity, dome, spine_y
from gateway.imaging.maisi.anatomy.lattice import Noise, Points
from gateway.imaging.maisi.anatomy.parts import Part, part
from gateway.imaging.maisi.anatomy.shapes import Shape, ellipsoid, join, tube, where

LOBES = tuple(
    f"{each} lobe" for each in ("left lung upper", "left lung lower", "right lung upper", "right lung middle",
                                "right lung lower")
)  # fmt: skip
CARINA = (2, -22, 478)


def lung_parts(body: Body) -> list[Part]:
    """Give the five lobes: the chest's room above the diaphragm, without what lies in its middle."""
    room = cavity(1.0).without(dome(), blend_mm=4).without(_mediastinum(), blend_mm=8)
    rng = body.rng("fissures")
    oblique = {side: _oblique(rng, side) for side in (LEFT, RIGHT)}
    horizontal = _horizontal(rng)
    lungs = {side: room.within(_half(side)) for side in (LEFT, RIGHT)}
    above, below = lungs[RIGHT].without(oblique[RIGHT]), lungs[RIGHT].within(oblique[RIGHT])
    shapes = (
        lungs[LEFT].without(oblique[LEFT]),
        lungs[LEFT].within(oblique[LEFT]),
        above.without(horizontal),
        above.within(horizontal),
        below,
    )
    boxes = {
        "left": (np.array([-150.0, -110.0, 255.0]), np.array([0.0, 110.0, 592.0])),
        "right": (np.array([0.0, -110.0, 255.0]), np.array([150.0, 110.0, 592.0])),
    }
    return [
        part(name, Shape(*boxes[name.split()[0]], shape.at))
        for name, shape in zip(LOBES, shapes, strict=True)
    ]


def _half(side: int) -> Shape:
    return where(lambda p: 2.5 - side * p.x)


def _oblique(rng: np.random.Generator, side: int) -> Shape:
    """Give what is below and behind the oblique fissure."""
    rear, lean = 506 + rng.normal(0, 8), 1.02 + rng.normal(0, 0.07)
    noise = Noise.draw(rng, (-160, -130, 230), (160, 130, 620), 40)

    def at(p: Points) -> np.ndarray:
        bowl = 12 * np.cos((side * p.x - 60) / 50)
        wave = noise.on(_axes(p))
        return np.asarray((p.z - (rear - lean * (p.y + 85)) + bowl + 4 * wave) / 1.43, np.float32)

    return where(at)


def _horizontal(rng: np.random.Generator) -> Shape:
    """Give what is below the right lung's horizontal fissure."""
    height, noise = 450 + rng.normal(0, 7), Noise.draw(rng, (-160, -130, 230), (160, 130, 620), 40)
    return where(lambda p: np.asarray(p.z - height + 0.12 * (p.y - 30) + 4 * noise.on(_axes(p)), np.float32))


def _axes(p: Points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y, z = (np.arange(a, a + n) * 2.0 for a, n in zip(p.start, p.shape, strict=True))
    return x, y, z


def _mediastinum() -> Shape:
    """Give what keeps the lungs apart: spine, great vessels, heart and its sac."""
    heights = (260, 320, 380, 440, 500, 560, 600)
    column = tube([(0, spine_y(z) - 2, z) for z in heights], [25, 25, 23, 22, 21, 21, 21], step_mm=20)
    backs = [tube([(s * 26, spine_y(z) - 30, z) for z in heights], [24, 23, 21, 19, 18, 16, 14], step_mm=20)
             for s in (1, -1)]  # fmt: skip
    middle = tube([(-4, -6, 330), (-3, -8, 400), (2, -12, 450), (2, -8, 490), (0, -6, 530), (0, -14, 595)],
                  [24, 30, 30, 32, 30, 26], step_mm=12)  # fmt: skip
    front = tube([(-2, 70, 400), (0, 58, 460), (0, 40, 520), (0, 10, 575)], [10, 9, 14, 20], step_mm=14)
    return join(column, *backs, middle, front, _heart_mass().grown(3), blend_mm=10)


def _heart_mass() -> Shape:
    ventricles = ellipsoid((-26, 40, 396), (64, 40, 44), (0, -28, -32))
    atria = ellipsoid((6, 10, 424), (42, 30, 34), (0, 0, -8))
    right = ellipsoid((30, 26, 404), (27, 29, 40))
    return join(ventricles, atria, right, blend_mm=18)


def heart_parts(body: Body) -> list[Part]:
    """Give the heart and its left appendage."""
    heart = _heart_mass().without(dome().grown(-3), blend_mm=6).rough(body.rng("heart"), 2.0, 22)
    appendage = tube([(-34, 8, 438), (-48, 26, 442), (-46, 44, 436)], [9, 10, 6])
    return [
        part("heart", heart),
        part("left atrial appendage", appendage.rough(body.rng("appendage"), 1.2, 9)),
    ]


def airway_parts(body: Body) -> list[Part]:
    """Give trachea and bronchi, the latter branching in the lungs."""
    windpipe = tube(
        [(0, 12, 606), (0, -2, 570), (2, -14, 530), CARINA], [8.6, 8.6, 8.8, 9.5], squash=(0.95, 1.1, 1)
    )
    rng = body.rng("airway")
    tubes = []
    for side, hilum, radius in ((RIGHT, (34, -26, 452), 7.0), (LEFT, (-44, -28, 446), 6.2)):
        tubes.append(tube([CARINA, hilum], [8, radius], step_mm=10))
        for tip in _bronchial_tips(side):
            tubes += _branches(rng, np.array(hilum, float), np.array(tip, float), 4.2)
    return [part("airway", join(*tubes), over=("body", *LOBES)), part("trachea", windpipe)]


def _bronchial_tips(side: int) -> list[tuple[float, float, float]]:
    return [(side * 66, -20, 516), (side * 74, 34, 468), (side * 70, 30, 420), (side * 78, -50, 400),
            (side * 92, -30, 360), (side * 66, -66, 360)]  # fmt: skip


def _branches(rng: np.random.Generator, start: np.ndarray, end: np.ndarray, radius: float) -> list[Shape]:
    """Give a bronchus and its twigs."""
    bend = 0.5 * (start + end) + rng.normal(0, 5, 3)
    stem = [tube([start, bend, end], [radius, 0.75 * radius, 0.5 * radius])]
    for _ in range(3):
        base = start + rng.uniform(0.45, 0.95) * (end - start)
        tip = base + 0.45 * (end - start) + rng.normal(0, 22, 3)
        stem.append(
            tube(
                [base, 0.5 * (base + tip) + rng.normal(0, 2, 3), tip],
                [0.5 * radius, 0.42 * radius, 0.3 * radius],
            )
        )
    return stem


def throat_parts(body: Body) -> list[Part]:
    """Give oesophagus and thyroid."""
    gullet = [(-2, -6, 602), (-3, -16, 560), (-3, -30, 520), (0, -34, 470), (-2, -32, 420), (-8, -22, 370),
              (-16, -12, 345), (-26, -8, 334)]  # fmt: skip
    lobes = [ellipsoid((s * 17, 8, 602), (8.5, 10, 22), (8, s * 8, 0)) for s in (1, -1)]
    bridge = tube([(-14, 20, 596), (0, 23, 594), (14, 20, 596)], 4)
    return [
        part("esophagus", tube(gullet, [6.5, 6.5, 7, 7.5, 7.5, 8, 8.5, 9], squash=(0.85, 1.1, 1))),
        part("thyroid gland", join(*lobes, bridge, blend_mm=5).rough(body.rng("thyroid"), 1.0, 10)),
    ]
