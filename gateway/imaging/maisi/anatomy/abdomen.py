"""Organs of abdomen and pelvis, without the gut."""

import numpy as np

from gateway.imaging.maisi.anatomy.body import LEFT, RIGHT, Body, cavity, dome
from gateway.imaging.maisi.anatomy.parts import Part, part
from gateway.imaging.maisi.anatomy.shapes import Shape, ellipsoid, join, tube


def solid_organ_parts(body: Body) -> list[Part]:
    """Give liver, spleen, kidneys, adrenal glands and pancreas."""
    parts = [part("spleen", _spleen(body))]
    if "liver" in body.sizes:
        parts.append(part("liver", _liver(body)))
    for name, side in (("right", RIGHT), ("left", LEFT)):
        parts.append(part(f"{name} kidney", _kidney(body, side)))
        parts.append(part(f"{name} adrenal gland", _adrenal(body, side)))
    if "pancreas" in body.sizes:
        parts.append(part("pancreas", _pancreas(body)))
    return parts


def _liver(body: Body) -> Shape:
    f = body.size("liver", 0.78, 1.2)
    rng = body.rng("liver")
    right = ellipsoid((78, -8, 306), (80 * f, 92 * f, 92 * f), (0, 12, 0))
    tail = ellipsoid((100, -6, 262), (42 * f, 56 * f, 62 * f), (0, 8, 0))
    left = ellipsoid((6 + rng.normal(0, 6), 38, 326), (84 * f, 44 * f, 36 * f), (0, 14, 8))
    caudate = ellipsoid((14, -2, 318), (24 * f, 20 * f, 26 * f))
    whole = join(right, tail, left, caudate, blend_mm=26)
    notch = ellipsoid((2, 12, 262), (58, 66, 46), (0, -18, 0))
    fissure = ellipsoid((14, 62, 282), (4, 34, 30), (0, 0, 10))
    shape = whole.without(notch, fissure, blend_mm=14).within(cavity(4), dome().grown(-4), blend_mm=8)
    return shape.rough(rng, 2.2, 24)


def _spleen(body: Body) -> Shape:
    rng = body.rng("spleen")
    f = 1 + rng.normal(0, 0.06)
    outer = ellipsoid((-100, -40, 308), (40 * f, 50 * f, 58 * f), (20, -14, 22))
    hollow = ellipsoid((-66, -10, 300), (34, 44, 56), (20, -10, 20))
    shape = outer.without(hollow, blend_mm=10).within(cavity(5), dome().grown(-5), blend_mm=8)
    return shape.rough(rng, 2.0, 18)


def _kidney(body: Body, side: int) -> Shape:
    rng = body.rng(f"kidney {side}")
    f = 1 + rng.normal(0, 0.05)
    z = (226 if side == RIGHT else 240) + rng.normal(0, 5)
    bean = ellipsoid((side * 60, -40, z), (29 * f, 26 * f, 55 * f), (-10, side * 12, side * 30))
    hilum = ellipsoid((side * 36, -28, z - 2), (20, 12, 19), (0, 0, side * 30))
    return bean.without(hilum, blend_mm=10).rough(rng, 1.6, 16)


def cyst(body: Body, side: int) -> Shape:
    """Give a cyst at the outer side of a kidney."""
    rng = body.rng(f"cyst {side}")
    z = (226 if side == RIGHT else 240) + rng.uniform(-22, 22)
    radius = rng.uniform(7, 15)
    return ellipsoid((side * 82, -46, z), (radius, radius, radius)).rough(rng, 0.6, 12)


def _adrenal(body: Body, side: int) -> Shape:
    x, y, z = (38, -32, 286) if side == RIGHT else (-38, -28, 294)
    stem = [(x - side * 4, y + 8, z + 10), (x, y, z)]
    inner = [(x, y, z), (x - side * 3, y - 12, z - 10)]
    outer = [(x, y, z), (x + side * 9, y - 9, z - 12)]
    limbs = [tube(line, [3.6, 2.8], squash=(1.1, 1, 0.55)) for line in (stem, inner, outer)]
    return join(*limbs, blend_mm=3).rough(body.rng(f"adrenal {side}"), 0.6, 8)


def _pancreas(body: Body) -> Shape:
    f = body.size("pancreas", 0.72, 1.3)
    rng = body.rng("pancreas")
    lift = rng.normal(0, 5)
    line = [(34, 12, 226), (32, 18, 242), (20, 26, 254), (0, 28, 262 + lift / 2), (-26, 20, 270 + lift),
            (-52, 2, 280 + lift), (-76, -20, 290 + lift)]  # fmt: skip
    radii = np.array([11, 15, 13, 10, 11, 11, 9]) * f
    return tube(line, radii, squash=(1, 1.1, 0.95)).rough(rng, 2.4, 8)


def gallbladder(body: Body) -> Shape:
    """Give a pear under the liver."""
    f = body.size("gallbladder", 0.62, 1.4)
    rng = body.rng("gallbladder")
    line = [(38, 14, 280), (52, 26, 270), (62, 42, 258), (66, 56, 246)]
    shape = tube(np.array(line) + rng.normal(0, 2, (4, 3)), np.array([4, 9, 14, 12.5]) * f)
    return shape.rough(rng, 0.8, 14)


def pelvic_parts(body: Body) -> list[Part]:
    """Give prostate and bladder: the template is male."""
    rng = body.rng("bladder")
    f = rng.uniform(0.75, 1.2)
    bladder = ellipsoid((0, 24, 18 + 10 * f), (42 * f, 33 * f, 30 * f), (8, 0, 0)).within(
        cavity(7), blend_mm=8
    )
    g = rng.uniform(0.85, 1.25)
    prostate = ellipsoid((0, 12, -22), (24 * g, 16 * g, 18 * g), (-10, 0, 0))
    return [
        part("prostate", prostate.rough(rng, 1.0, 12)),
        part("bladder", bladder.rough(rng, 1.5, 20)),
    ]
