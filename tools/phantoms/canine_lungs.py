"""Lungs of a drawn dog: air, vessels, airways, and what lies between them."""

import numpy as np

from tools.phantoms.canine_canvas import Layer, Points, View, band, clouds, ellipse, smooth
from tools.phantoms.canine_chest import Dog
from tools.phantoms.canine_spine import NAMES, T1

Tissue = np.ndarray
"""float32 (rows, columns): thickness along the beam, in vertebrae."""


def cage_outline(dog: Dog) -> Points:
    """Give the outline of what the ribs enclose, on beyond the diaphragm."""
    dorsal = dog.spine.at(np.arange(T1, len(NAMES)), 0.5, -0.15)
    x = np.linspace(dorsal[-1, 0], dog.sternum[1, 0] + 0.1, 16)
    ventral = np.stack([x, dog.sternum_y(x) - 0.1], 1)
    middle = 0.5 * (ventral[-1] + dorsal[0]) - np.array([0.5, 0])
    middle[0] = min(middle[0], dog.heart.landmarks()[2, 0] - 1.2)
    inlet = [ventral[-1], middle, dorsal[0]]
    return np.concatenate([dorsal, ventral, smooth(np.array(inlet), 10)])


def before_diaphragm(dog: Dog, view: View) -> np.ndarray:
    """Give where there is lung and not liver, float32 (rows, columns); half behind one crus only."""
    whole = np.zeros(view.shape, np.float32)
    for shift in (np.zeros(2), dog.crus_shift):
        dome = dog.diaphragm + shift * np.linspace(1, 0, len(dog.diaphragm))[:, None]
        ahead = np.array(
            [dome[-1] + np.array([-1.0, 9]), (-30.0, 20.0), (-30.0, -20.0), dome[0] - (0.0, 9.0)]
        )
        whole += 0.5 * view.layer().patch(np.concatenate([dome, ahead])).density()
    return whole


def lung_air(dog: Dog, view: View, ahead: np.ndarray, rng: np.random.Generator) -> Tissue:
    """Give the thickness of inflated lung before heart and vessels are taken out of it."""
    cage = view.layer().patch(cage_outline(dog))
    deep = rng.uniform(1.2, 2.4)
    shape = 0.85 * cage.solid(deep, 0.12) + 0.15 * cage.density(0.2)
    return np.asarray(rng.uniform(0.6, 0.8) * dog.girth * shape * ahead * _inlet(dog, view, rng))


def _inlet(dog: Dog, view: View, rng: np.random.Generator) -> np.ndarray:
    """Give how the lung thins out towards the first ribs, float32 (rows, columns), 0 to 1."""
    back = np.linalg.inv(view.matrix[:, :2])
    columns, rows = np.arange(view.shape[1]) + 0.5, np.arange(view.shape[0]) + 0.5
    x = back[0, 0] * (columns - view.matrix[0, 2]) + (back[0, 1] * (rows - view.matrix[1, 2]))[:, None]
    start = min(rng.uniform(-3.7, -2.6), dog.heart.landmarks()[2, 0] - rng.uniform(0.5, 1.5))
    width = rng.uniform(1.5, 4.0)
    ramp = np.clip((x.astype(np.float32) - np.float32(start)) * np.float32(1 / width), 0, 1)
    return np.asarray(ramp * (2 - ramp))


def lung_texture(view: View, rng: np.random.Generator) -> np.ndarray:
    """Give the share of air that the lung's own tissue leaves, float32 (rows, columns), about 1."""
    mottled = 0.03 * clouds(rng, view.shape, 0.12 * view.unit_px) + 0.04 * clouds(
        rng, view.shape, view.unit_px
    )
    if rng.random() < 0.15:
        mottled -= rng.uniform(0.05, 0.22) * np.abs(clouds(rng, view.shape, 2 * view.unit_px))
    return np.asarray(np.clip(1 + mottled, 0.3, 1.2))


def draw_vessels(dog: Dog, view: View, rng: np.random.Generator) -> Tissue:
    """Give the vessels that branch from the hilus."""
    bearings = np.concatenate([
        rng.uniform(-0.35, 1.0, rng.integers(8, 14)), rng.uniform(2.3, 3.7, rng.integers(4, 8)),
        rng.uniform(1.0, 2.3, 1),
    ])  # fmt: skip
    count = len(bearings)
    starts = dog.heart.place(rng.normal(0.35, 0.35, count), rng.normal(0.3, 0.4, count))
    widths, strength = rng.uniform(0.16, 0.4, count), rng.uniform(0.5, 1.3)
    whole = np.zeros(view.shape, np.float32)
    for thickness in (0.55, 0.4, 0.28):
        layer = view.layer()
        starts, bearings, widths = _generation(layer, rng, starts, bearings, widths)
        whole += strength * thickness * layer.density()
    return whole


def _generation(
    layer: Layer, rng: np.random.Generator, starts: Points, bearings: np.ndarray, widths: np.ndarray
) -> tuple[Points, np.ndarray, np.ndarray]:
    """Draw vessels and give what springs from them: starts, bearings in radians, widths."""
    count = len(bearings)
    bends = bearings[:, None] + np.cumsum(rng.normal(0, 0.07, (count, 5)), 1)
    strides = rng.uniform(0.25, 0.5, (count, 1, 1))
    moves = np.cumsum(np.stack([np.cos(bends), np.sin(bends)], -1) * strides, 1)
    lines = np.concatenate([starts[:, None], starts[:, None] + moves], 1)
    layer.patches(band(lines, widths[:, None] * np.linspace(1, 0.7, 6)))
    turns = rng.uniform(0.1, 0.45, (2, count)) * np.array([[-1], [1]])
    slimmer = widths * rng.uniform(0.5, 0.72, (2, count))
    return np.tile(lines[:, -1], (2, 1)), (bends[:, -1] + turns).ravel(), slimmer.ravel()


def draw_airways(dog: Dog, view: View, rng: np.random.Generator) -> tuple[Tissue, Tissue]:
    """Give the air of trachea, carina and main bronchi, and their walls."""
    air, walls = view.layer(), view.layer()
    width, count = dog.trachea_width, len(dog.trachea)
    air.tube(dog.trachea, width)
    for turn, size in ((0.3, 0.5), (0.85, 0.4)):
        bearing = rng.normal(turn, 0.12)
        way = dog.carina + np.linspace(0, rng.uniform(1.2, 2.2), 8)[:, None] * (
            np.cos(bearing),
            np.sin(bearing),
        )
        edge = band(way, size * width * np.linspace(1, 0.5, 8))
        air.patch(edge, 0.6)
        walls.lines(np.stack([edge[:8], edge[8:]]), 0.035, 0.6)
    air.patch(carina_outline(dog))
    edge, rings = band(dog.trachea, 1.04 * width), band(dog.trachea, 0.9 * width)
    walls.lines(np.stack([edge[:count], edge[count:]]), 0.05)
    walls.lines(np.stack([rings[:count], rings[count:][::-1]], 1), 0.03, rng.uniform(0, 0.5))
    tube = _tube(dog, view, rng)
    return air.density() * width, 0.3 * walls.density() + tube


def carina_outline(dog: Dog) -> Points:
    """Give the dark oval where the trachea forks; its ventral end is heart_top."""
    half = 0.5 * dog.trachea_width
    around = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    tall = float(np.linalg.norm(dog.heart.top - dog.carina))
    down = (dog.heart.top - dog.carina) / tall
    across = np.array([-down[1], down[0]])
    return np.asarray(
        dog.carina + tall * np.cos(around)[:, None] * down + half * np.sin(around)[:, None] * across
    )


def _tube(dog: Dog, view: View, rng: np.random.Generator) -> Tissue:
    """Give the breathing tube of a dog under anaesthesia, or nothing."""
    if rng.random() > 0.06:
        return np.zeros(view.shape, np.float32)
    walls = band(dog.trachea[: rng.integers(20, 45)], 0.5 * dog.trachea_width)
    half = len(walls) // 2
    return view.layer().lines(np.stack([walls[:half], walls[half:]]), 0.05, 1.0).density() * np.float32(0.4)


def draw_great_vessels(dog: Dog, view: View) -> Tissue:
    """Give aorta and caudal vena cava."""
    aorta = view.layer().tube(dog.aorta, dog.aorta_width).solid(0.5 * dog.aorta_width)
    cava = view.layer().tube(dog.cava, dog.cava_width)
    full = 0.35 * cava.density() + 0.65 * cava.solid(0.5 * dog.cava_width)
    return np.asarray(1.7 * dog.aorta_width * aorta + 2.2 * dog.cava_width * full)


def draw_mediastinum(dog: Dog, view: View, rng: np.random.Generator) -> np.ndarray:
    """Give the share of lung that the cranial mediastinum and the hilus replace, float32, 0 to 1."""
    upper = dog.trachea[len(dog.trachea) // 2 :]
    base = dog.heart.place(0.8 * dog.heart.cranial_level, -0.75 * dog.heart.cranial)
    inlet = upper[0] + np.array([-0.2, rng.uniform(0.9, 2.0)])
    outline = np.concatenate([upper - np.array([0, 0.45]), [base, 0.5 * (base + inlet) - (0, 0.15), inlet]])
    fold = rng.uniform(0.25, 0.6) * view.layer().patch(outline).density(0.2)
    hilus = view.layer().patch(ellipse(dog.heart.place(0.15, 0.25), (1.2, 0.8), 0.3)).density(0.35)
    return np.asarray(np.clip(fold + rng.uniform(0.2, 0.5) * hilus, 0, 0.75))
