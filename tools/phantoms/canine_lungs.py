"""Air, vessels and soft tissue of a drawn dog's chest and abdomen."""

import numpy as np

from tools.phantoms.canine_canvas import Points, View, band, clouds, smooth
from tools.phantoms.canine_chest import Dog
from tools.phantoms.canine_spine import NAMES, T1


def lung_outline(dog: Dog) -> Points:
    """Give the outline of the lungs, from the first rib over spine and diaphragm to the sternum."""
    numbers = range(T1, len(NAMES))
    dorsal = np.array([dog.spine.at(number, 0.5, 0.1) for number in numbers])
    dorsal = dorsal[dorsal[:, 0] < dog.diaphragm[0, 0] - 0.2]
    front = dog.diaphragm[-1]
    x = np.linspace(front[0] - 0.3, dog.sternum[1, 0] + 0.2, 12)
    ventral = np.stack([x, dog.sternum_y(x) - 0.12], 1)
    inlet = smooth(np.array([ventral[-1], 0.5 * (ventral[-1] + dorsal[0]) + (-0.35, 0), dorsal[0]]), 10)
    return np.concatenate([dorsal, dog.diaphragm, ventral, inlet])


def lung_air(dog: Dog, view: View, rng: np.random.Generator) -> np.ndarray:
    """Give the thickness of inflated lung, float32 (rows, columns) in vertebrae."""
    first = view.layer().patch(lung_outline(dog))
    other = dog.diaphragm + dog.crus_shift * np.linspace(1, 0.0, len(dog.diaphragm))[:, None]
    second = view.layer().patch(band_between(lung_outline(dog), dog.diaphragm, other))
    deep = 0.26 * dog.girth
    shape = 0.2 * (first.density(0.03) + second.density(0.03)) + 0.3 * (
        first.solid(deep) + second.solid(deep)
    )
    return np.asarray(dog.girth * 0.8 * shape)


def band_between(outline: Points, old: Points, new: Points) -> Points:
    """Replace a stretch of an outline."""
    start = int(np.argmin(np.linalg.norm(outline - old[0], axis=1)))
    return np.concatenate([outline[:start], new, outline[start + len(old) :]])


def draw_vessels(dog: Dog, view: View, rng: np.random.Generator) -> np.ndarray:
    """Give the thickness of the lungs' vessels, branching from the hilus, float32 (rows, columns)."""
    thick, thin = view.layer(), view.layer()
    hilus = dog.heart.place(0.3, 0.35)
    for bearing in np.deg2rad(
        np.concatenate([rng.uniform(-12, 50, 9), rng.uniform(130, 215, 5), rng.uniform(60, 130, 3)])
    ):
        start = hilus + 0.5 * rng.standard_normal(2)
        _branch((thick, thin), rng, start, bearing, rng.uniform(0.2, 0.42), 0)
    return np.asarray(0.5 * thick.density(0.03) + 0.3 * thin.density(0.02))


def _branch(
    layers: tuple, rng: np.random.Generator, start: Points, bearing: float, width: float, depth: int
) -> None:
    """Draw a vessel and what springs from it."""
    bends = bearing + np.cumsum(rng.normal(0, 0.09, 4))
    moves = np.stack([np.cos(bends), np.sin(bends)], 1) * rng.uniform(0.3, 0.55)
    line = np.concatenate([start[None], start + np.cumsum(moves, 0)])
    layers[depth % 2].tube(line, np.linspace(width, 0.75 * width, 5))
    if depth < 2:
        for turn in (-rng.uniform(0.15, 0.5), rng.uniform(0.15, 0.5)):
            _branch(layers, rng, line[-1], bends[-1] + turn, width * rng.uniform(0.5, 0.75), depth + 1)


def draw_airways(dog: Dog, view: View, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give the air of trachea, carina and main bronchi, and their walls, float32 (rows, columns)."""
    air, walls = view.layer(), view.layer()
    width = dog.trachea_width
    air.tube(dog.trachea, width)
    round_ = np.linspace(0, 2 * np.pi, 24)
    oval = dog.heart.place(-0.55 * width + 0.55 * width * np.cos(round_), 0.04 + 0.5 * width * np.sin(round_))
    air.patch(oval)
    for turn, size in ((0.25, 0.5), (0.75, 0.4)):
        t = np.linspace(0, 1, 8)[:, None]
        bearing = rng.normal(turn, 0.1)
        way = dog.carina + t * rng.uniform(1.3, 2.0) * np.array([np.cos(bearing), np.sin(bearing)])
        air.tube(way, size * width * np.linspace(1, 0.5, 8))
        edge = band(way, size * width * np.linspace(1, 0.5, 8))
        walls.lines([edge[:8], edge[8:]], 0.03, 0.6)
    edge = band(dog.trachea, width)
    walls.lines([edge[: len(dog.trachea)], edge[len(dog.trachea) :]], 0.05)
    rings = band(dog.trachea, 0.92 * width)
    near, off = rings[: len(dog.trachea)], rings[len(dog.trachea) :][::-1]
    walls.lines([np.stack([near[k], off[k]]) for k in range(0, len(near), 1)], 0.03, rng.uniform(0, 0.35))
    return air.density(0.02) * width, walls.density(0.015)


def draw_great_vessels(dog: Dog, view: View) -> np.ndarray:
    """Give the thickness of aorta and caudal vena cava, float32 (rows, columns) in vertebrae."""
    aorta = view.layer().tube(dog.aorta, dog.aorta_width)
    cava = view.layer().tube(dog.cava, dog.cava_width)
    return np.asarray(
        dog.aorta_width * aorta.solid(0.5 * dog.aorta_width)
        + dog.cava_width * cava.solid(0.5 * dog.cava_width)
    )


def draw_mediastinum(dog: Dog, view: View, rng: np.random.Generator) -> np.ndarray:
    """Give the share of lung that the cranial mediastinum replaces, float32 (rows, columns), 0 to 1."""
    half = len(dog.trachea) // 2
    upper = dog.trachea[half:]
    base = dog.heart.place(
        np.array([0.1, dog.heart.cranial_level]), np.array([-0.2, -0.8 * dog.heart.cranial])
    )
    low = np.array([base[1], (upper[0, 0], upper[0, 1] + rng.uniform(1.3, 2.3))])
    outline = np.concatenate([upper - (0, 0.5), base[:1], low])
    return view.layer().patch(outline).density(0.12)


def body_outline(dog: Dog, rng: np.random.Generator) -> Points:
    """Give the skin's outline, neck to loins."""
    back = np.array([dog.spine.at(number, 0.5, 0.0) for number in range(len(NAMES))])
    height = np.interp(
        np.arange(len(NAMES)), (0, T1 - 2, T1 + 2, T1 + 9, len(NAMES)), (1.6, 2.0, 2.2, 1.4, 1.4)
    )
    dorsal = back - np.stack([np.zeros(len(back)), height + 0.5 * dog.fat], 1)
    dorsal = np.concatenate([[dorsal[0] - (4, 0.2)], dorsal, [dorsal[-1] + (5, 0.3)]])
    x = np.linspace(dorsal[-1, 0], -12, 24)
    belly = dog.sternum_y(np.minimum(x, dog.sternum[-1, 0])) + dog.fat + 0.5
    tuck = rng.uniform(0.05, 0.3) * np.clip(x - dog.sternum[-1, 0], 0, None)
    chest = np.clip(dog.sternum[0, 0] - x, 0, None)
    ventral = np.stack([x, belly - tuck - np.minimum(0.35 * chest, 2.5)], 1)
    return np.concatenate([smooth(dorsal, 60), smooth(ventral, 60)])


def draw_body(dog: Dog, view: View, rng: np.random.Generator) -> np.ndarray:
    """Give the thickness of the body along the beam, float32 (rows, columns) in vertebrae."""
    layer = view.layer().patch(body_outline(dog, rng))
    return np.asarray(dog.girth * (0.1 * layer.density(0.03) + 0.95 * layer.solid(rng.uniform(2.5, 4.0))))


def draw_abdomen(dog: Dog, view: View, rng: np.random.Generator) -> np.ndarray:
    """Give the gas of stomach and bowel, float32 (rows, columns) in vertebrae."""
    gas = view.layer()
    around = np.linspace(0, 2 * np.pi, 30)
    middle = dog.diaphragm[len(dog.diaphragm) // 2]
    for _ in range(rng.integers(0, 4)):
        centre = middle + (rng.uniform(2.8, 6.5), rng.uniform(-2.2, 2.5))
        size = rng.uniform(0.4, 1.5) * (1 + 0.15 * np.sin(around * 3 + rng.uniform(0, 6)))
        gas.patch(
            centre + size[:, None] * np.stack([np.cos(around), rng.uniform(0.4, 0.9) * np.sin(around)], 1)
        )
    return np.asarray(
        rng.uniform(1.0, 3.0) * gas.density(0.05) * (1 + 0.1 * clouds(rng, view.shape, view.unit_px))
    )
