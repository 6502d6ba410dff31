"""Stomach, duodenum, small bowel and colon."""

import numpy as np

from gateway.imaging.maisi.anatomy.body import Body, cavity, dome
from gateway.imaging.maisi.anatomy.parts import Part, part
from gateway.imaging.maisi.anatomy.shapes import Shape, curve, ellipsoid, join, tube


def gut_parts(body: Body) -> list[Part]:
    """Give the gut from what is painted first."""
    parts = [part("small bowel", _small_bowel(body))]
    if "colon" in body.sizes:
        parts.append(part("colon", _colon(body)))
    parts.append(part("duodenum", _duodenum(body)))
    if "stomach" in body.sizes:
        parts.append(part("stomach", _stomach(body)))
    return parts


def _stomach(body: Body) -> Shape:
    f = body.size("stomach", 0.68, 1.28)
    rng = body.rng("stomach")
    line = np.array([(-56, -22, 340), (-62, -4, 318), (-64, 22, 292), (-54, 42, 268), (-30, 56, 252),
                     (0, 54, 250), (26, 44, 262)]) + rng.normal(0, 3, (7, 3))  # fmt: skip
    radii = np.array([30, 35, 32, 28, 24, 18, 9]) * f
    shape = tube(line, radii, step_mm=10).within(cavity(4), dome().grown(-4), blend_mm=10)
    return shape.rough(rng, 2.2, 20)


def _duodenum(body: Body) -> Shape:
    rng = body.rng("duodenum")
    line = np.array([(26, 44, 262), (46, 36, 264), (56, 18, 250), (56, 8, 222), (44, 8, 202), (16, 14, 196),
                     (-14, 14, 206), (-26, 24, 224)]) + rng.normal(0, 1.5, (8, 3))  # fmt: skip
    return tube(line, [9, 13, 13, 12.5, 12.5, 12, 11.5, 11]).rough(rng, 1.4, 9)


def _small_bowel(body: Body) -> Shape:
    """Give one long loop that fills the room within the frame of the colon."""
    rng = body.rng("small bowel")
    line = [(-26, 24, 224)]
    for row, z in enumerate(np.linspace(214, 78, 7)):
        wide = 84 - 4 * row
        for layer, y in enumerate((26, 58)):
            xs = np.linspace(-wide, wide, 5) * (1 if (row + layer) % 2 else -1)
            for k, x in enumerate(xs):
                line.append((x, y + 12 * (k % 2) - 6, z - 8 * (k % 2) + 4 * layer))
    line.append((78, 22, 116))
    points = np.array(line) + rng.normal(0, 5.5, (len(line), 3)) * ([0], *[[1]] * (len(line) - 2), [0])
    radii = rng.uniform(8.5, 13.5, len(line))
    shape = tube(points, radii, step_mm=8).within(cavity(6), blend_mm=4)
    return shape.rough(rng, 1.6, 10)


def _colon(body: Body) -> Shape:
    f = body.size("colon", 0.66, 1.32)
    line, radii = colon_line(body)
    dense = curve(np.column_stack([line, radii]), 5.0)
    length = np.arange(len(dense)) * 5.0
    rng = body.rng("haustra")
    pouches = 1 + 0.17 * np.sin(2 * np.pi * (length / 27 + rng.uniform())) * (dense[:, 3] > 13)
    tubes = tube(dense[:, :3], dense[:, 3] * pouches * f, step_mm=5)
    caecum = ellipsoid((88, 22, 112), (27 * f, 27 * f, 30 * f))
    return join(tubes, caecum, blend_mm=8).within(cavity(5), blend_mm=4).rough(rng, 2.0, 10)


def colon_line(body: Body) -> tuple[np.ndarray, np.ndarray]:
    """Give the colon's middle from caecum to anus, mm, (n, 3), and its half width there."""
    rng = body.rng("colon")
    sag = rng.uniform(0, 38)
    line = np.array(
        [
            (88, 22, 108),
            (98, 8, 140),
            (102, 2, 180),
            (102, 0, 222),
            (94, 20, 244),
            (66, 54, 240 - sag / 3),
            (34, 66, 226 - sag),
            (0, 70, 222 - sag),
            (-36, 68, 234 - sag),
            (-70, 54, 262 - sag / 3),
            (-98, 16, 290),
            (-108, -14, 288),
            (-110, -22, 252),
            (-108, -20, 210),
            (-104, -12, 170),
            (-98, 4, 130),
            (-84, 22, 100),
            (-56, 28, 84),
            (-26, 10, 92),
            (-2, -12, 98),
            (10, -34, 84),
            (4, -48, 62),
            (-2, -50, 38),
            (0, -46, 12),
            (0, -36, -14),
            (0, -30, -40),
        ],
        float,
    )
    radii = np.array([24, 24, 23, 22, 21, 20, 19, 19, 18, 18, 18, 18, 16, 15, 14, 14, 14, 14, 14, 14, 14, 15,
                      18, 19, 15, 8], float)  # fmt: skip
    shake = rng.normal(0, 4, line.shape) * ([0.4, 0.4, 1.0])
    shake[-6:] *= 0.4
    return line + shake, radii
