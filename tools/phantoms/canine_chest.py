"""The chest of a drawn dog: its walls, sternum, diaphragm, airways and great vessels, all as curves."""

from dataclasses import dataclass

import numpy as np

from tools.phantoms.canine_canvas import Points, smooth
from tools.phantoms.canine_heart import Heart, heart_of
from tools.phantoms.canine_spine import T1, T4, Spine, spine_of


@dataclass(frozen=True)
class Dog:
    """All geometry of one dog, in its vertebral frame."""

    spine: Spine
    heart: Heart
    sternum: Points
    """(9, 2): cranial end of the manubrium to the caudal end of the xiphoid."""
    diaphragm: Points
    """(N, 2): from the spine over the cupola to the sternum."""
    crus_shift: Points
    """(2,): displacement of the other crus."""
    trachea: Points
    """(N, 2): centre line from the neck to the carina."""
    trachea_width: float
    carina: Points
    """(2,): centre of the carina's oval."""
    cava: Points
    """(N, 2): centre line of the caudal vena cava, from the heart to the diaphragm."""
    cava_width: float
    aorta: Points
    """(N, 2): centre line, from the heart over the arch to the loins."""
    aorta_width: float
    rib_shift: Points
    """(2,): displacement of the far ribs' ventral ends by divergence and obliquity."""
    girth: float
    """Width of the chest along the beam."""
    fat: float
    """Thickness of what lies between sternum and skin, and dorsal of the spine."""
    inflation: float
    """0 to 1: expiration to deep inspiration."""

    def landmarks(self) -> Points:
        """Give (7, 2), in the contract's order."""
        ends = np.stack([self.spine.cranial[T4], self.spine.caudal[T4 + 5]])
        return np.concatenate([self.heart.landmarks(), ends])

    def sternum_y(self, x: np.ndarray | float) -> np.ndarray:
        """Give the dorsal border of the sternum at x."""
        slope = (self.sternum[-1, 1] - self.sternum[0, 1]) / (self.sternum[-1, 0] - self.sternum[0, 0])
        inside = np.interp(x, self.sternum[:, 0], self.sternum[:, 1])
        return np.asarray(inside + slope * (x - np.clip(x, self.sternum[0, 0], self.sternum[-1, 0])))


def dog_of(rng: np.random.Generator) -> Dog:
    """Draw a dog's parameters."""
    spine, heart = spine_of(rng), heart_of(rng)
    inflation = rng.uniform()
    sternum = _sternum(rng, heart)
    diaphragm = _diaphragm(rng, heart, sternum, inflation)
    width = rng.uniform(0.55, 0.9)
    carina = heart.place(-0.55 * width, rng.normal(0.04, 0.05))
    cava_width = rng.uniform(0.5, 0.95)
    return Dog(
        spine, heart, sternum, diaphragm,
        crus_shift=np.array([rng.normal(0.3, 0.5), rng.normal(0, 0.2)]),
        trachea=_trachea(rng, spine, carina),
        trachea_width=width,
        carina=carina,
        cava=_cava(rng, heart, cava_width, diaphragm),
        cava_width=cava_width,
        aorta=_aorta(rng, heart, spine),
        aorta_width=rng.uniform(0.65, 1.0),
        rib_shift=np.array([rng.normal(0, 0.4), rng.normal(0, 0.15)]),
        girth=rng.uniform(5.5, 8.5),
        fat=rng.uniform(0.4, 1.7),
        inflation=inflation,
    )  # fmt: skip


def _sternum(rng: np.random.Generator, heart: Heart) -> Points:
    """Lay the sternum below the heart's lowest point, sloping away from the spine."""
    outline = heart.outline()
    slope = np.tan(np.deg2rad(rng.normal(17, 5)))
    depth = np.max(outline[:, 1] - slope * outline[:, 0]) + rng.uniform(-0.05, 0.55)
    begin = min(rng.normal(-4.0, 0.4), heart.landmarks()[2, 0] - 1.0)
    x = np.linspace(begin, begin + rng.uniform(9.0, 10.2), 9)
    lift = rng.uniform(0.0, 0.9) * ((x - x[3]) / 5) ** 2
    return np.stack([x, depth + slope * x - lift], 1)


def _diaphragm(rng: np.random.Generator, heart: Heart, sternum: Points, inflation: float) -> Points:
    """Arch from the crura over the cupola, near the heart in expiration, to the xiphoid."""
    edge = heart.landmarks()[3]
    back = np.array([rng.uniform(8.3, 10.3) + 1.2 * inflation, 0.5])
    cupola = np.array([max(edge[0] + rng.uniform(-0.1, 0.8) + 1.5 * inflation, 3.6), 0.0])
    cupola[1] = np.interp(cupola[0], sternum[:, 0], sternum[:, 1]) * rng.uniform(0.6, 0.72)
    front = np.array([max(cupola[0] - rng.uniform(-0.6, 0.4), heart.landmarks()[1, 0] + 0.3), 0.0])
    front[1] = np.interp(front[0], sternum[:, 0], sternum[:, 1]) + 0.1
    middle = back + 0.52 * (cupola - back) + np.array([-0.25, -0.55])
    low = 0.5 * (cupola + front) + np.array([-0.15, 0.1])
    return smooth(np.array([back, middle, cupola, low, front]), 48)


def _trachea(rng: np.random.Generator, spine: Spine, carina: Points) -> Points:
    """Run from the neck to the carina, leaving the spine the more, the deeper the carina lies."""
    inlet = spine.at(T1, 0.5, 1.0) + np.array([0.0, rng.uniform(0.55, 1.2)])
    neck = spine.at(T1 - 4, 0.5, 1.0) + np.array([0.0, rng.uniform(0.8, 1.9)])
    middle = 0.45 * inlet + 0.55 * carina + np.array([0, rng.normal(-0.12, 0.12)])
    return smooth(np.array([neck + 1.6 * (neck - inlet), neck, inlet, middle, carina]), 60)


def _cava(rng: np.random.Generator, heart: Heart, width: float, diaphragm: Points) -> Points:
    """Run from within the heart to the diaphragm; the VLAS point lies on its dorsal border."""
    fall = np.deg2rad(rng.normal(15, 5))
    along = np.array([np.cos(fall), np.sin(fall)])
    start = heart.landmarks()[4] + width / 2 * np.array([-along[1], along[0]])
    reach = np.max(diaphragm[:, 0]) - start[0]
    t = np.array([-0.6, 0.0, *(max(reach, 1.5) * np.array([0.35, 0.7, 1.1]))])[:, None]
    sag = np.array([0, 0, 0.05, 0.02, -0.1])[:, None] * np.array([-along[1], along[0]])
    return smooth(start + t * along + sag, 30)


def _aorta(rng: np.random.Generator, heart: Heart, spine: Spine) -> Points:
    """Rise from the heart's base before the carina, arch, and follow the spine."""
    root = heart.place(0.18 * heart.long, -0.25 * heart.cranial)
    arch = heart.place(-0.75 + rng.normal(0, 0.1), -0.35)
    arch[1] = max(arch[1], 0.75)
    gap = rng.uniform(0.35, 0.75)
    below = [spine.at(number, 0.5, 1.0) + np.array([0, gap]) for number in range(T4 + 2, T4 + 17, 3)]
    below = [point for point in below if point[0] > arch[0] + 1.2]
    return smooth(np.array([root, heart.place(-0.1, -0.75), arch, *below]), 60)
