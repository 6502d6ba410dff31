"""Hip bones and thighs, and the muscles of hip, loin and back."""

import numpy as np

from gateway.imaging.maisi.anatomy.body import SIDES, Body, cavity, spine_y
from gateway.imaging.maisi.anatomy.parts import Part, part
from gateway.imaging.maisi.anatomy.shapes import Shape, ellipsoid, join, mirrored, plate, tube

JOINT = (88, -4, 0)
"""The right hip joint; its middle is the template's origin."""


def pelvis_parts(body: Body) -> list[Part]:
    """Give hip bones and thigh bones."""
    parts = []
    for side, sign in SIDES.items():
        parts += [part(f"{side} hip", _hip(body, sign)), part(f"{side} femur", _femur(body, sign))]
    return parts


def muscle_parts(body: Body) -> list[Part]:
    """Give the muscles that have labels; bones are painted over them."""
    parts = []
    for side, sign in SIDES.items():
        parts += [
            part(f"{side} autochthon", _autochthon(body, sign)),
            part(f"{side} iliopsoas", _iliopsoas(body, sign)),
            part(f"{side} gluteus maximus", _gluteus_maximus(body, sign)),
            part(f"{side} gluteus medius", _gluteus_medius(body, sign)),
            part(f"{side} gluteus minimus", _gluteus_minimus(body, sign)),
        ]
    return parts


def _hip(body: Body, side: int) -> Shape:
    crest = [(44, -78, 84), (54, -80, 104), (74, -64, 126), (96, -40, 138), (114, -12, 140), (126, 16, 128),
             (130, 40, 108), (126, 52, 88), (114, 40, 52)]  # fmt: skip
    notch = [(100, 18, 26), (86, -20, 22), (72, -44, 36), (52, -70, 60)]
    rim = tube(mirrored(crest, side), [7, 6.5, 6, 5.5, 5.5, 5.8, 6, 6, 6], step_mm=12)
    body_of_ilium = tube(mirrored([(60, -64, 74), (76, -38, 50), (86, -14, 16)], side), [8, 11, 19])
    wing = join(plate(mirrored([*crest, *notch], side), 6.5), rim, body_of_ilium, blend_mm=8)
    ischium = tube(
        mirrored([(88, -24, 0), (78, -36, -24), (64, -40, -52), (52, -28, -68)], side), [17, 14, 14, 11]
    )
    ramus = tube(mirrored([(52, -28, -68), (34, 8, -56), (16, 38, -40), (9, 50, -24)], side), [9, 7, 7, 9])
    pubis = tube(mirrored([(84, 14, 16), (56, 38, 14), (28, 52, 2), (9, 54, -14)], side), [12, 9, 8.5, 10])
    socket = ellipsoid(mirrored([(84, -4, 2)], side)[0], (33, 33, 34))
    ball = ellipsoid(mirrored([(92, -4, 0)], side)[0], (27.5, 26.5, 26.5))
    outside = ellipsoid(mirrored([(128, -4, -14)], side)[0], (36, 30, 34))
    whole = join(wing, socket, ischium, pubis, ramus, blend_mm=9).without(ball, outside, blend_mm=3)
    return whole.rough(body.rng(f"hip {side}"), 0.8, 10)


def _femur(body: Body, side: int) -> Shape:
    head = ellipsoid(mirrored([JOINT], side)[0], (24, 24, 24))
    neck = tube(mirrored([JOINT, (112, -10, -16), (132, -16, -38)], side), [16, 15, 20], step_mm=10)
    trochanter = ellipsoid(mirrored([(142, -22, -16)], side)[0], (17, 20, 26))
    lesser = ellipsoid(mirrored([(112, -28, -64)], side)[0], (10, 10, 13))
    shaft = tube(mirrored([(132, -14, -40), (122, -6, -120), (104, 6, -260), (90, 0, -385)], side),
                 [18, 14.5, 13.5, 17], step_mm=20)  # fmt: skip
    knobs = [ellipsoid(mirrored([(88 + s * 22, -8, -412)], side)[0], (20, 30, 24)) for s in (1, -1)]
    whole = join(head, neck, trochanter, lesser, shaft, *knobs, blend_mm=12)
    return whole.rough(body.rng(f"femur {side}"), 0.8, 12)


def _autochthon(body: Body, side: int) -> Shape:
    heights = (40, 90, 130, 180, 240, 300, 360, 430, 500, 560, 610, 670)
    half = np.array([12, 21, 25, 27, 27, 26, 24, 22, 20, 17, 17, 14])
    line = [
        (side * (h * 0.6 + 12), spine_y(z) - 33 - 0.25 * h, z) for z, h in zip(heights, half, strict=True)
    ]
    shape = tube(line, half * 0.85, squash=(0.82, 1, 1), step_mm=20)
    return shape.rough(body.rng(f"autochthon {side}"), 2.0, 14)


def _iliopsoas(body: Body, side: int) -> Shape:
    psoas = tube(
        mirrored([(22, -36, 292), (30, -34, 250), (39, -32, 200), (46, -24, 150), (56, -6, 100), (70, 22, 50),
                  (82, 32, 12), (98, 14, -30), (112, -16, -62)], side),
        [5, 12, 19, 23, 22, 19, 19, 15, 8], step_mm=14)  # fmt: skip
    iliacus = tube(
        mirrored([(92, -22, 118), (100, 8, 98), (96, 28, 56), (88, 32, 18)], side),
        [9, 13, 15, 12],
        squash=(1.2, 0.75, 1),
        step_mm=14,
    )
    return join(psoas, iliacus, blend_mm=8).rough(body.rng(f"iliopsoas {side}"), 1.5, 14)


def _gluteus_maximus(body: Body, side: int) -> Shape:
    line = mirrored([(50, -88, 88), (66, -96, 50), (84, -88, 8), (106, -68, -30), (126, -44, -70)], side)
    shape = tube(line, [12, 19, 25, 22, 11], squash=(0.68, 1, 1), step_mm=14)
    return shape.without(cavity(-6)).rough(body.rng(f"gluteus maximus {side}"), 2.0, 14)


def _gluteus_medius(body: Body, side: int) -> Shape:
    line = mirrored([(98, -56, 118), (124, -28, 96), (138, -4, 60), (142, -10, 20), (146, -18, -6)], side)
    return tube(line, [9, 16, 18, 14, 8], squash=(1.15, 0.62, 1), step_mm=14).rough(
        body.rng(f"gluteus medius {side}"), 1.5, 14
    )


def _gluteus_minimus(body: Body, side: int) -> Shape:
    line = mirrored([(108, -28, 82), (120, 0, 62), (126, 8, 32), (138, 4, -2)], side)
    return tube(line, [6, 11, 11, 7], squash=(1.2, 0.75, 1), step_mm=14).rough(
        body.rng(f"gluteus minimus {side}"), 1.0, 12
    )
