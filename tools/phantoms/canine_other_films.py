"""Drawn radiographs of something else than a dog's thorax from the side: what clinics upload by mistake.

Each function gives the attenuation, float32 (rows, columns), of one body part on a field 20 units long.
"""

import numpy as np

from tools.phantoms.canine_canvas import Points, View, blur, clouds, ellipse, smooth
from tools.phantoms.canine_chest import dog_of
from tools.phantoms.canine_styles import Style, drawn
from tools.phantoms.canine_thorax import attenuation_of

FIELD = 20.0
"""Units of length along the picture's long side."""


def field_of(rng: np.random.Generator, long_side_px: int) -> View:
    """Draw a format; the origin is the middle, the axes turned by up to some degrees."""
    aspect = float(rng.uniform(0.65, 1.6))
    width, height = (1.0, 1 / aspect) if aspect >= 1 else (aspect, 1.0)
    unit, turn = long_side_px / FIELD, rng.normal(0, 0.12)
    cos, sin = unit * np.cos(turn), unit * np.sin(turn)
    middle = np.array([width, height]) * long_side_px / 2
    matrix = np.array([[cos, -sin, middle[0]], [sin, cos, middle[1]]])
    return View(matrix, (round(height * long_side_px), round(width * long_side_px)), unit)


def _mixed(
    tissue: np.ndarray, bone: np.ndarray, view: View, style: Style, rng: np.random.Generator
) -> np.ndarray:
    """Sum what tissue and bone attenuate."""
    tissue = tissue * (1 + 0.03 * clouds(rng, view.shape, view.unit_px))
    bone = blur(bone, 0.03 * view.unit_px)
    return np.asarray(drawn(style.tissue, rng) * tissue + drawn(style.bone, rng) * bone, np.float32)


def view_beside_the_thorax(view: View, rng: np.random.Generator) -> View:
    """Aim at the neck or behind the diaphragm: all of heart, T4 and T9 lie outside the picture."""
    behind = rng.random() < 0.5
    zoom = (rng.uniform(1.1, 1.8) if behind else rng.uniform(0.9, 1.5)) * view.unit_px
    half_width = view.shape[1] / 2 / zoom
    x = rng.uniform(7.5, 9.5) + half_width if behind else rng.uniform(-4.0, -2.2) - half_width
    y = rng.uniform(1, 4)
    matrix = np.array([[zoom, 0, view.shape[1] / 2 - zoom * x], [0, zoom, view.shape[0] / 2 - zoom * y]])
    return View(matrix, view.shape, zoom)


def elsewhere_on_the_dog(view: View, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Draw a dog's neck or abdomen, with its thorax out of the picture."""
    dog, aimed = dog_of(rng), view_beside_the_thorax(view, rng)
    attenuation = attenuation_of(dog, aimed, style, rng)
    # Loins and pelvis, which no picture of a thorax shows.
    last, ahead = dog.spine.caudal[-1], dog.spine.caudal[-1] - dog.spine.cranial[-1]
    rump = last + np.array([0.6, 2.6])[:, None] * ahead
    bone = _column(aimed, rng, rump, 1.15)
    hips = rump[1] + np.array([[-0.6, -0.7], [1.6, 0.6], [4.0, 1.8]])
    thigh = hips[1] + np.array([[0, 0.2], [0.5, 2.5], [-1.5, 6.0]])
    layer = (
        aimed.layer().tube(hips, np.array([1.6, 0.9, 1.1]), 0.7).tube(thigh, np.array([1.2, 0.8, 1.1]), 0.9)
    )
    return np.asarray(attenuation + drawn(style.bone, rng) * (bone + layer.density(0.03)), np.float32)


def ventrodorsal_thorax(view: View, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Look at a thorax from below: symmetrical ribs, the spine in the middle, the heart to one side."""
    wide, long = rng.uniform(4.5, 6.5), rng.uniform(6.5, 8.5)
    body = rng.uniform(5, 8) * view.layer().patch(ellipse(np.zeros(2), (1.3 * wide, 2.2 * long))).solid(3.0)
    dome = smooth(
        np.array(
            [(-wide, 0.9 * long), (-0.4 * wide, 0.5 * long), (0.3 * wide, 0.45 * long), (wide, 0.85 * long)]
        ),
        30,
    )
    apex = np.array([(wide, 0.0), (0.45 * wide, -0.9 * long), (-0.45 * wide, -0.9 * long), (-wide, 0.0)])
    air = 0.75 * view.layer().patch(np.concatenate([dome, smooth(apex, 30)])).solid(1.8, 0.1)
    heart = (
        view.layer()
        .patch(ellipse(np.array([0.5, 0.0]), (rng.uniform(1.8, 3), rng.uniform(2.5, 4)), -0.4))
        .solid(1.5)
    )
    middle = view.layer().tube(np.array([(0, -12.0), (0, 12.0)]), 2.2).density(0.3)
    bone = _column(view, rng, np.array([(0.0, -12.0), (0.0, 12.0)]), 1.2)
    ribs = view.layer()
    t = np.linspace(0, 1, 20)
    for y in np.linspace(-0.9 * long, 0.9 * long, 12):
        for side in (-1, 1):
            arc = np.stack([side * wide * np.sin(t * 1.9) ** 0.7, y + 2.6 * t**2 - 0.6 * np.sin(3 * t)], 1)
            ribs.tube(arc, 0.32, 0.4)
    tissue = np.maximum(body * (1 - air * np.clip(1 - heart - 0.5 * middle, 0.1, 1)), 0.1 * body)
    return _mixed(tissue, bone + ribs.density(), view, style, rng)


def _column(view: View, rng: np.random.Generator, line: Points, size: float) -> np.ndarray:
    """Give vertebrae along a line, waisted boxes or rounder ones, float32 (rows, columns)."""
    bodies, tips = view.layer(), view.layer()
    centres = smooth(line, max(2, round(float(np.linalg.norm(line[-1] - line[0])) / size)))
    ahead = np.gradient(centres, axis=0)
    turn = np.arctan2(ahead[:, 1], ahead[:, 0])
    boxed = rng.random() < 0.6
    for centre, angle in zip(centres, turn, strict=True):
        along = 0.43 * size * np.array([np.cos(angle), np.sin(angle)])
        if boxed:
            bodies.tube(centre + np.array([[-1], [0], [1]]) * along, size * np.array([0.85, 0.72, 0.85]))
        else:
            bodies.patch(ellipse(centre, (0.46 * size, 0.6 * size), angle, 0.05))
        tips.patch(ellipse(centre, (0.35 * size, 0.12 * size), angle))
    return np.asarray(0.7 * bodies.density() + rng.uniform(0.2, 0.6) * tips.density())


def abdomen(view: View, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Draw an abdomen from the side or from below: loins, pelvis, thighs, gut with gas."""
    along = smooth(np.array([(-14, -3.5), (-4, -4.5), (4, -4), (9, -3)]) + rng.normal(0, 0.3, (4, 2)), 30)
    deep = rng.uniform(9, 12)
    trunk = view.layer().tube(along + np.array([0, 0.33 * deep]), deep).solid(3.5)
    thigh = view.layer().tube(np.array([(8.0, -3), (9.5, 3), (7, 9)]), np.array([6.0, 4.5, 3]))
    bone = _column(view, rng, along, rng.uniform(1.3, 1.7))
    limbs = view.layer().tube(np.array([(6.5, -4.2), (8.5, -3), (11, -2.4)]), np.array([1.6, 0.9, 1.2]), 0.7)
    for shift in (0, rng.normal(0.6, 0.4)):
        limbs.tube(
            np.array([(8.6, -2.6), (9 + shift, 0), (6.5 + shift, 4.5)]), np.array([1.1, 0.7, 1.1]), 0.8
        )
    gut, gas = view.layer(), view.layer()
    for _ in range(rng.integers(8, 20)):
        place = rng.uniform((-8, -1.5), (6, 4))
        gut.patch(
            ellipse(place, (rng.uniform(0.5, 2), rng.uniform(0.4, 0.9)), rng.uniform(0, 3), 0.06),
            rng.uniform(0.2, 0.9),
        )
        if rng.random() < 0.4:
            gas.patch(ellipse(place, (rng.uniform(0.3, 1.3), rng.uniform(0.3, 0.6)), rng.uniform(0, 3), 0.05))
    tissue = 6.5 * trunk + 2 * thigh.solid(1.5) + 0.6 * gut.density(0.1)
    tissue = np.maximum(tissue - rng.uniform(1, 3) * gas.density(0.05), 0.1 * tissue)
    return _mixed(tissue, bone + limbs.density(), view, style, rng)


def limb(view: View, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Draw one or two limbs: long bones that meet in a joint."""
    bone, flesh = np.zeros(view.shape, np.float32), view.layer()
    for shift in rng.normal(0, 3.5, rng.integers(1, 3)):
        bend = rng.normal(0, 3)
        line = np.array([(shift - bend, -12), (shift, rng.uniform(-2, 2)), (shift + bend, 12)])
        flesh.tube(line, rng.uniform(2.0, 5.5) * np.array([1.3, 1, 0.7]))
        layer = view.layer()
        for start, end in ((line[0], line[1]), (line[2], line[1])):
            way = start + np.linspace(0, 0.985, 20)[:, None] * (end - start)
            wide = rng.uniform(1.0, 2.0) * np.interp(np.linspace(0, 1, 20), (0, 0.75, 1), (0.7, 0.75, 1.3))
            layer.tube(way, wide, 0.9).tube(way, 0.55 * wide, 0.5)
        bone += layer.density()
    return _mixed(rng.uniform(1.5, 3) * flesh.solid(1.2), bone, view, style, rng)


def skull(view: View, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Draw a skull from the side: cranium, muzzle, jaw, teeth, the first vertebrae."""
    size = rng.uniform(0.8, 1.4)
    cranium = ellipse(size * np.array([2.0, -1.5]), (3.4 * size, 2.5 * size), 0.2, 0.02)
    muzzle = size * np.array([(0.5, -3.2), (-6.5, -0.8), (-6.8, 1.0), (0.5, 1.6)])
    jaw = smooth(size * np.array([(3.0, 1.5), (0.5, 3.2), (-6.0, 2.4)]), 20)
    bone, teeth = view.layer(), view.layer()
    bone.patch(muzzle, 0.45).patch(cranium, 0.75).patch(
        0.88 * (cranium - cranium.mean(0)) + cranium.mean(0), 0.35
    )
    bone.tube(jaw, size * np.linspace(1.5, 0.7, 20), 0.6)
    for x in np.linspace(-6, -0.8, 8):
        for y in (1.0, 1.9):
            teeth.patch(ellipse(size * np.array([x, y]), (0.25 * size, 0.5 * size), rng.normal(0, 0.1)), 0.9)
    neck = _column(view, rng, size * np.array([(4.8, 0.5), (8.5, 2.5), (14.0, 4.5)]), 1.6 * size)
    hull = np.concatenate([1.15 * cranium, 1.12 * muzzle, jaw + size * np.array([0.3, 1.0])])
    flesh = (
        view.layer().patch(hull).patch(1.15 * cranium).tube(size * np.array([(2.0, 0), (14, 4)]), 6 * size)
    )
    return _mixed(3 * flesh.solid(1.5), bone.density() + teeth.density() + neck, view, style, rng)


def hand(view: View, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Draw a hand: five rays of bones, wrist and forearm."""
    bones, flesh = view.layer(), view.layer()
    flesh.patch(ellipse(np.array([0, 2.5]), (3.4, 3.6)))
    for number, angle in enumerate(np.deg2rad([-48, -18, -4, 10, 24]) + rng.normal(0, 0.06, 5)):
        out = np.array([np.sin(angle), -np.cos(angle)])
        root = np.array([-2.0 + number, 4.0 - 0.8 * (number == 0)])
        length = (6.5, 9.6, 10.4, 9.8, 8.0)[number]
        flesh.tube(np.array([root, root + length * out]), np.array([1.9, 1.4]))
        for start, end, wide in (
            (0.05, 0.46, 0.75),
            (0.49, 0.72, 0.62),
            (0.74, 0.87, 0.52),
            (0.89, 0.98, 0.42),
        ):
            t = np.linspace(start, end, 9)[:, None]
            girth = wide * np.interp(t[:, 0], (start, (start + end) / 2, end), (1.25, 0.75, 1.1))
            bones.tube(root + length * t * out, girth, 0.7).tube(root + length * t * out, 0.5 * girth, 0.45)
    for place in rng.normal((0, 5.2), (1.4, 0.5), (8, 2)):
        bones.patch(ellipse(place, (0.6, 0.55)), 0.7)
    for x in (-1.0, 1.0):
        bones.tube(np.array([(x, 6.2), (0.7 * x, 14.0)]), np.array([1.5, 0.9]), 0.75)
    flesh.tube(np.array([(0, 4.0), (0, 14.0)]), np.array([5.0, 4.2]))
    return _mixed(1.8 * flesh.solid(1.0), bones.density(), view, style, rng)
