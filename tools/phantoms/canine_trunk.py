"""Skin, muscle, fat and the abdomen of a drawn dog."""

import numpy as np

from tools.phantoms.canine_canvas import Points, View, clouds, ellipse, smooth
from tools.phantoms.canine_chest import Dog
from tools.phantoms.canine_spine import NAMES, T1


def skin(dog: Dog, rng: np.random.Generator) -> tuple[Points, Points]:
    """Give back and belly, each (60, 2), cranial to caudal, on beyond any picture."""
    back = dog.spine.at(np.arange(len(NAMES)), 0.5, 0.0)
    knots = (0, T1 - 2, T1 + 2, T1 + 9, len(NAMES))
    height = np.interp(np.arange(len(NAMES)), knots, (1.6, 2.0, 2.3, 1.5, 1.4)) + 0.5 * dog.fat
    dorsal = back - np.stack([np.zeros(len(back)), height], 1)
    dorsal = np.concatenate(
        [dorsal[:1] + 5 * (dorsal[:1] - dorsal[1:2]), dorsal, dorsal[-1:] + np.array([9, 0.3])]
    )
    x = np.linspace(-21, dorsal[-1, 0], 24)
    tuck = rng.uniform(0.0, 0.25) * np.clip(x - dog.sternum[-1, 0], 0, None)
    throat = np.clip(dog.sternum[0, 0] + 0.5 - x, 0, None)
    y = dog.sternum_y(np.clip(x, dog.sternum[0, 0], dog.sternum[-1, 0])) + dog.fat + 0.4 - tuck
    neck = np.interp(x, dorsal[:, 0], dorsal[:, 1]) + rng.uniform(4.6, 6.5)
    share = np.clip(throat / 3, 0, 1)
    return smooth(dorsal, 60), smooth(np.stack([x, y + share * (np.minimum(neck, y) - y)], 1), 60)


def draw_trunk(dog: Dog, view: View, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give the thickness of the trunk and the share of fat under its skin, float32 (rows, columns)."""
    back, belly = skin(dog, rng)
    whole = view.layer().patch(np.concatenate([back, belly[::-1]]))
    shrunk = np.concatenate(
        [back + np.array([0, 0.25 + 0.25 * dog.fat]), belly[::-1] - np.array([0, 0.75 * dog.fat])]
    )
    lean = view.layer().patch(shrunk).density(0.06)
    thick = dog.girth * (0.06 * whole.density(0.02) + 0.94 * whole.solid(rng.uniform(2.5, 4.2), 0.05))
    return np.asarray(thick), 1 - lean


def draw_folds(dog: Dog, view: View, rng: np.random.Generator) -> np.ndarray:
    """Give what skin folds and the axilla add, float32 (rows, columns) in vertebrae."""
    layer = view.layer()
    for _ in range(rng.integers(0, 4)):
        start = np.array([rng.uniform(-4, 4), rng.uniform(5, 9)])
        end = start + np.array([rng.uniform(-3, 6), rng.uniform(-6, -1.5)])
        middle = 0.5 * (start + end) + rng.normal(0, 0.6, 2)
        layer.tube(
            smooth(np.array([start, middle, end]), 20), rng.uniform(0.6, 2.5) * np.linspace(1, 0.1, 20), 0.5
        )
    return layer.density(0.02) * np.float32(rng.uniform(0.1, 0.5))


def draw_abdomen(dog: Dog, view: View, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give gas of stomach and bowel, and the fat and organs behind the liver: float32 (rows, columns)."""
    gas, organs = view.layer(), view.layer()
    middle = dog.diaphragm[len(dog.diaphragm) // 2]
    for _ in range(rng.integers(0, 4)):
        centre = middle + rng.uniform((2.6, -2.5), (7.5, 2.5))
        radii = (rng.uniform(0.3, 1.6), rng.uniform(0.3, 1.0))
        gas.patch(ellipse(centre, radii, rng.uniform(-0.6, 1.2), rng.uniform(0, 0.15)), rng.uniform(0.3, 1.0))
    for _ in range(rng.integers(3, 9)):
        centre = middle + rng.uniform((3.0, -3.5), (9.0, 4.0))
        radii = (rng.uniform(0.5, 2.0), rng.uniform(0.4, 1.0))
        organs.patch(ellipse(centre, radii, rng.uniform(0, 3), 0.06), rng.uniform(0.2, 1.0))
    bubbly = 1 + 0.15 * clouds(rng, view.shape, 0.4 * view.unit_px)
    return rng.uniform(0.8, 3.0) * gas.density(0.05) * bubbly, rng.uniform(0, 0.5) * organs.density(0.12)


def draw_implants(dog: Dog, view: View, rng: np.random.Generator) -> np.ndarray:
    """Give microchip, electrodes and cables: attenuation, float32 (rows, columns)."""
    layer = view.layer()
    if rng.random() < 0.35:
        place = np.array([rng.uniform(-5, 1), rng.uniform(-4.5, 0.5)])
        turn = rng.uniform(0, np.pi)
        layer.tube(place + np.linspace(-0.28, 0.28, 4)[:, None] * (np.cos(turn), np.sin(turn)), 0.13)
    if rng.random() < 0.08:
        for _ in range(rng.integers(1, 4)):
            clip = np.array([rng.uniform(-5, 8), rng.uniform(-2, 9)])
            layer.patch(ellipse(clip, (0.35, 0.3)), 0.5)
            way = (
                clip
                + np.cumsum(rng.normal(0, 1.2, (7, 2)) + rng.normal(0, 0.8, 2), 0)
                * np.linspace(0, 1, 7)[:, None]
            )
            layer.tube(smooth(way, 60), 0.07, 0.5)
    if rng.random() < 0.05:
        layer.lines(dog.trachea[None] - np.array([0, 0.7]), 0.12, 0.3)
    return layer.density() * np.float32(3.0)
