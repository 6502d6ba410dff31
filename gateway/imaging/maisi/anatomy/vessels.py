"""Arteries and veins."""

import numpy as np

from gateway.imaging.maisi.anatomy.body import SIDES, Body
from gateway.imaging.maisi.anatomy.parts import Part, part
from gateway.imaging.maisi.anatomy.shapes import Shape, join, mirrored, tube


def vein_parts(body: Body) -> list[Part]:
    """Give the great veins; arteries are painted over them."""
    cava = [
        (18, -8, 160),
        (21, -6, 190),
        (23, -6, 230),
        (26, -2, 270),
        (27, 4, 310),
        (25, 10, 345),
        (26, 16, 382),
    ]
    upper = [(24, 8, 526), (28, 6, 500), (30, 10, 465), (32, 20, 430)]
    parts = [
        part("inferior vena cava", tube(cava, [9.5, 10, 10.5, 11, 12, 12.5, 12], squash=(0.9, 1.12, 1))),
        part("superior vena cava", tube(upper, [9, 9.5, 10, 10])),
        part("right brachiocephalic vein", tube([(44, 6, 566), (32, 10, 548), (24, 8, 526)], [7, 7.5, 8])),
        part("left brachiocephalic vein",
             tube([(-44, 8, 566), (-26, 24, 550), (0, 26, 540), (24, 8, 526)], [6.5, 6.5, 7, 7.5])),
        part("pulmonary vein", _pulmonary_veins()),
        part("portal vein and splenic vein", _portal(body)),
    ]  # fmt: skip
    for side, sign in SIDES.items():
        line = mirrored(
            [(26, -24, 122), (46, -28, 92), (58, -8, 62), (62, 26, 28), (74, 44, -8), (80, 46, -60)], sign
        )
        start = np.array([[18.0, -8, 164]])
        parts.append(
            part(f"{side} iliac vena", tube(np.concatenate([start, line]), [8, 7.5, 7, 7, 6.5, 6.5, 6]))
        )
    return parts


def artery_parts(body: Body) -> list[Part]:
    """Give the aorta and its great branches."""
    aorta = [
        (2, 24, 424),
        (10, 28, 455),
        (14, 28, 484),
        (6, 18, 510),
        (-8, 0, 520),
        (-20, -20, 514),
        (-26, -36, 494),
        (-26, -42, 450),
        (-24, -42, 400),
        (-18, -36, 350),
        (-10, -26, 310),
        (-6, -16, 270),
        (-5, -9, 230),
        (-4, -7, 195),
        (-3, -6, 164),
    ]
    widths = np.array([15, 15.5, 15, 13.5, 13, 12.5, 12, 11.5, 11.5, 11, 10.5, 10, 9.5, 9, 8.5])
    widths *= body.rng("aorta").uniform(0.9, 1.15)
    parts = [
        part("aorta", tube(aorta, widths)),
        part("brachiocephalic trunk", tube([(4, 16, 516), (12, 10, 536), (20, 4, 556)], [6.5, 6.2, 6])),
    ]
    carotid = {
        "right": [(20, 4, 556), (24, 0, 590), (27, 2, 620), (30, 4, 655)],
        "left": [(-5, 6, 522), (-14, 0, 555), (-22, 0, 590), (-27, 2, 620), (-30, 4, 655)],
    }
    subclavian = {
        "right": [(20, 4, 556), (38, -6, 574), (64, -12, 578), (96, -14, 566), (122, -14, 550)],
        "left": [
            (-16, -12, 520),
            (-22, -14, 552),
            (-38, -12, 576),
            (-64, -12, 580),
            (-96, -14, 566),
            (-122, -14, 550),
        ],
    }
    for side, sign in SIDES.items():
        parts.append(part(f"{side} common carotid artery", tube(carotid[side], 3.9)))
        parts.append(part(f"{side} subclavian artery", tube(subclavian[side], 5.0)))
        iliac = [
            (14, -9, 142),
            (32, -18, 112),
            (48, -14, 84),
            (58, 8, 54),
            (64, 36, 22),
            (72, 52, -10),
            (78, 52, -60),
        ]
        line = np.concatenate([[[-3.0, -6, 166]], mirrored(iliac, sign)])
        parts.append(part(f"{side} iliac artery", tube(line, [6.5, 6.2, 5.8, 5.6, 5.2, 5, 5, 4.6])))
    return parts


def _pulmonary_veins() -> Shape:
    lines = [
        [(22, 4, 428), (44, -4, 436), (64, 6, 446)], [(20, -2, 418), (44, -18, 412), (62, -32, 396)],
        [(-14, 4, 432), (-40, -2, 442), (-58, 10, 454)], [(-14, -4, 420), (-40, -20, 414), (-58, -36, 396)],
    ]  # fmt: skip
    return join(*(tube(line, [8, 6.5, 4.5]) for line in lines), blend_mm=4)


def _portal(body: Body) -> Shape:
    lift = body.rng("portal").normal(0, 2)
    splenic = tube(
        [(-84, -26, 296 + lift), (-56, -8, 284 + lift), (-26, 8, 274), (6, 14, 266)], [4, 4.2, 4.6, 5.5]
    )
    trunk = tube([(6, 14, 266), (22, 12, 284), (38, 8, 302), (52, 2, 312)], [6.5, 7, 7, 6])
    mesenteric = tube([(6, 14, 266), (10, 24, 244), (8, 30, 214)], [6, 5.5, 5])
    return join(splenic, trunk, mesenteric, blend_mm=5)


def hepatic_vessels(body: Body) -> Part:
    """Give three hepatic veins and the portal branches, each with twigs, in the liver alone."""
    rng = body.rng("hepatic vessel")
    roots = {
        (26, 8, 344): [(112, -26, 312), (74, 44, 306), (-10, 48, 328)],
        (50, 2, 312): [(108, -16, 280), (98, -40, 322), (90, 38, 282), (10, 46, 318)],
    }
    tubes = []
    for root, tips in roots.items():
        for tip in tips:
            tubes += _twigs(rng, np.array(root, float), np.array(tip, float) + rng.normal(0, 5, 3))
    return part("hepatic vessel", join(*tubes), over=("liver",))


def _twigs(rng: np.random.Generator, start: np.ndarray, end: np.ndarray) -> list[Shape]:
    bend = 0.5 * (start + end) + rng.normal(0, 5, 3)
    found = [tube([start, bend, end], [5.0, 3.6, 2.0])]
    for _ in range(4):
        base = start + rng.uniform(0.3, 0.9) * (end - start)
        tip = base + 0.5 * (end - start) + rng.normal(0, 24, 3)
        found.append(tube([base, 0.5 * (base + tip) + rng.normal(0, 3, 3), tip], [2.6, 2.1, 1.4]))
    return found
