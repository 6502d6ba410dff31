"""Skull, brain and the air of the head."""

import numpy as np

from gateway.imaging.maisi.anatomy.body import Body
from gateway.imaging.maisi.anatomy.lattice import Points
from gateway.imaging.maisi.anatomy.parts import Part, part
from gateway.imaging.maisi.anatomy.shapes import Shape, ellipsoid, join, tube, where


def head_parts(body: Body) -> list[Part]:
    """Give skull, the air of nose, sinuses and throat, and the brain.

    Air in the head has the value of the air outside, as in masks whose body is what is denser than air.
    """
    inside = _braincase(body)
    brain = inside.grown(-2.5).rough(body.rng("brain"), 1.2, 8)
    skull = join(_vault(inside, body), _face(body), blend_mm=4)
    orbits = [ellipsoid((s * 32, 80, 733), (19, 24, 18), (0, 0, s * -14)) for s in (1, -1)]
    foramen = tube([(0, -14, 725), (0, -22, 690)], 15)
    skull = skull.without(*orbits, foramen, blend_mm=3)
    return [
        part("skull", skull.rough(body.rng("skull"), 0.5, 10)),
        part("air", _air(), over=("body", "skull")),
        part("brain", brain),
    ]


def _braincase(body: Body) -> Shape:
    rng = body.rng("head")
    a, b, c = 1 + rng.normal(0, 0.02, 3)
    great = ellipsoid((0, 6, 782), (66 * a, 86 * b, 69 * c))
    front = ellipsoid((0, 52, 772), (50 * a, 42 * b, 44 * c))
    temporal = [ellipsoid((s * 42, 22, 742), (23, 36, 20)) for s in (1, -1)]
    rear = ellipsoid((0, -38, 738), (50, 38, 32))

    def floor(p: Points) -> np.ndarray:
        """Rise from the back to above the orbits at the front."""
        return np.asarray(728 + np.clip(p.y + 20, 0, 60) * 0.42 - p.z, np.float32)

    upper = join(great, front, blend_mm=20).within(where(floor), blend_mm=8)
    return join(upper, *temporal, rear, blend_mm=14)


def _vault(inside: Shape, body: Body) -> Shape:
    """Give a shell about the braincase, thick where the base is."""
    thick = body.rng("vault").uniform(5.5, 8.0)
    base = ellipsoid((0, 8, 722), (56, 40, 13))
    return join(inside.grown(thick), base, blend_mm=6).without(inside)


def _face(body: Body) -> Shape:
    pieces = [
        ellipsoid((0, 80, 692), (33, 20, 17)),
        tube([(0, 104, 740), (0, 112, 722)], [7, 4]),
        tube([(-28, 84, 681), (0, 101, 679), (28, 84, 681)], 6.5, squash=(1, 1, 0.7)),
    ]
    for s in (1, -1):
        pieces += [
            tube(
                [(s * 52, 20, 714), (s * 50, 28, 672), (s * 36, 74, 650), (s * 14, 98, 646), (0, 102, 646)],
                [7, 7.5, 8, 8, 8.5],
                squash=(1.15, 1.15, 0.75),
            ),
            tube(
                [(s * 62, 18, 720), (s * 64, 50, 718), (s * 50, 82, 714), (s * 32, 90, 702)],
                [4.5, 4.5, 6.5, 6],
            ),
            tube(
                [(s * 52, 78, 728), (s * 50, 84, 748), (s * 30, 97, 756), (s * 10, 100, 744)], [4.5, 5, 5, 5]
            ),
            ellipsoid((s * 50, -8, 720), (15, 16, 17)),
            ellipsoid((s * 24, 70, 704), (20, 22, 20)),
        ]
    return join(*pieces, blend_mm=7)


def _air() -> Shape:
    nose = [ellipsoid((s * 7, 78, 712), (5, 28, 19)) for s in (1, -1)]
    sinuses = [ellipsoid((s * 24, 70, 706), (14.5, 16, 15)) for s in (1, -1)]
    frontal = [ellipsoid((s * 10, 97, 762), (8, 4.5, 8)) for s in (1, -1)]
    cells = [ellipsoid((s * 50, -10, 718), (6.5, 8, 9)) for s in (1, -1)]
    sphenoid = ellipsoid((0, 38, 722), (11, 10, 8))
    throat = tube([(0, 46, 708), (0, 30, 688), (0, 24, 660), (0, 20, 632), (0, 14, 608)], [8, 7, 7.5, 8.5, 8])
    return join(*nose, *sinuses, *frontal, *cells, sphenoid, throat)
