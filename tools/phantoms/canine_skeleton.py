"""Ribs, sternum and forelimbs of a drawn dog."""

import numpy as np

from tools.phantoms.canine_canvas import Layer, Points, View, ellipse, smooth
from tools.phantoms.canine_chest import Dog
from tools.phantoms.canine_spine import T1

RIBS = 13
TIP_X = np.interp(np.arange(RIBS), (0, 2, 5, 8, 10, 12), (-2.9, -1.3, 2.4, 6.7, 9.7, 12.4))
"""Where the ribs turn to cartilage, in vertebrae."""
TIP_DEPTH = np.interp(np.arange(RIBS), (0, 1, 4, 8, 10, 12), (0.8, 0.84, 0.86, 0.8, 0.68, 0.45))
"""The same across the chest, 1 at the sternum."""
ALONG_RIB = np.linspace(0, 1, 28)


def draw_ribs(dog: Dog, view: View, rng: np.random.Generator) -> np.ndarray:
    """Give the thickness of thirteen pairs of ribs and their cartilages, float32 (rows, columns)."""
    whole = np.zeros(view.shape, np.float32)
    width, marrow = rng.uniform(0.25, 0.4), rng.uniform(0.04, 0.15)
    chalk = rng.uniform(0.0, 0.3) * (rng.random() < 0.7)
    shape = (rng.normal(0, 0.1, RIBS), rng.normal(0, 0.15, RIBS), rng.normal(0, 0.25))
    thick = width * np.interp(ALONG_RIB, (0, 0.1, 0.5, 0.9, 1), (0.7, 0.9, 0.95, 1.2, 1.35))
    for far, strength in ((False, rng.uniform(0.2, 0.42)), (True, rng.uniform(0.14, 0.36))):
        layer = view.layer()
        for number in range(RIBS):
            bone = _rib(dog, number, far, shape)
            slim = (1.1 if far else 1.0) * (0.8 if number in (0, 12) else 1.0)
            layer.tube(_cartilage(dog, number, bone[-1]), 0.9 * width, chalk / strength)
            layer.tube(bone, slim * thick).tube(bone, 0.5 * slim * thick, 1 - marrow / strength)
        whole += strength * layer.density()
    return whole


def _rib(dog: Dog, number: int, far: bool, shape: tuple[np.ndarray, np.ndarray, float]) -> Points:
    """Give a rib's centre line from its head to its cartilage, (28, 2)."""
    bow, wander, lean = shape
    head = dog.spine.at(T1 + number, -0.05, 0.3)
    x = TIP_X[number] + wander[number] + lean
    tip = np.array([x, dog.sternum_y(min(x, dog.sternum[-1, 0])) * TIP_DEPTH[number]])
    span = tip - head
    bulge = np.array([span[1], -span[0]]) / 9
    points = [
        head, head + np.array([0.32, -0.25]), head + 0.3 * span + 1.3 * (0.9 + bow[number]) * bulge,
        head + 0.65 * span + (0.8 + bow[number]) * bulge, tip,
    ]  # fmt: skip
    line = smooth(np.array(points), len(ALONG_RIB))
    if far:
        line = line + ALONG_RIB[:, None] * dog.rib_shift + 0.03 * (line - dog.heart.top)
    return line


def _cartilage(dog: Dog, number: int, tip: Points) -> Points:
    """Give the cartilage's centre line: forwards to its sternebra, or along the arch behind."""
    x, y = dog.sternum[min(number, 8)]
    if number > 8:
        x, y = tip[0] - 2.2, tip[1] + 1.5
    bend = np.array([tip[0] + 0.15 * (tip[0] - x) + 0.1, 0.45 * tip[1] + 0.55 * y])
    return smooth(np.array([tip, bend, (x, y)]), 16)


def draw_skull(dog: Dog, view: View) -> np.ndarray:
    """Give the back of the skull, which wide pictures show, float32 (rows, columns)."""
    atlas, ahead = dog.spine.cranial[0], dog.spine.cranial[0] - dog.spine.caudal[0]
    turn = float(np.arctan2(ahead[1], ahead[0]))
    layer = view.layer().patch(ellipse(atlas + 2.0 * ahead, (2.3, 1.5), turn, 0.04))
    layer.patch(ellipse(atlas + 2.0 * ahead, (2.1, 1.3), turn, 0.04), 0.5)
    jaw = atlas + np.array([[0.3, 1.1], [-1.5, 1.9], [-4.0, 2.2]])
    return layer.tube(smooth(jaw, 12), np.linspace(1.2, 0.5, 12), 0.7).density()


def draw_sternum(dog: Dog, view: View, rng: np.random.Generator) -> np.ndarray:
    """Give the thickness of the sternebrae, float32 (rows, columns)."""
    ahead = np.diff(dog.sternum, axis=0)
    down = np.stack([-ahead[:, 1], ahead[:, 0]], 1) / np.linalg.norm(ahead, axis=1)[:, None]
    tall = rng.uniform(0.3, 0.5) * np.array([0.8, 1, 1, 1, 1, 1, 1, 0.6])[:, None, None]
    gap = rng.uniform(0.04, 0.1)
    along = np.array([gap, 0.5, 1 - gap, 1 - gap, 0.5, gap])[:, None]
    across = np.array([-0.5, -0.38, -0.5, 0.5, 0.36, 0.5])[:, None]
    blocks = dog.sternum[:-1, None] + along * ahead[:, None] + (tall * across + 0.2) * down[:, None]
    bodies, rims = view.layer().patches(blocks), view.layer()
    rims.lines(blocks[:, [5, 0]], 0.06).lines(blocks[:, [2, 3]], 0.06).lines(blocks[:, :3], 0.04)
    return np.asarray(rng.uniform(0.3, 0.6) * bodies.density() + 0.3 * rims.density())


def draw_forelimbs(dog: Dog, view: View, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give scapulae, humeri and forearms, and the flesh about them: bone and tissue, float32."""
    bone = np.zeros(view.shape, np.float32)
    flesh, shoulder = view.layer(), view.layer()
    pulled = rng.uniform(-2.4, 0.7)
    reach = rng.uniform(-4.5, 1.8)
    for side in (0, 1):
        shift = np.array([pulled + side * rng.normal(0, 0.5), side * rng.normal(0, 0.3)])
        top, joint = np.array([-2.6, -1.7]) + 0.4 * shift, np.array([-4.4, 4.5]) + shift
        elbow = joint + np.array([reach + side * rng.normal(0, 0.5), rng.uniform(3.4, 4.6)])
        paw = elbow + np.array([rng.uniform(-5.5, -1), rng.uniform(2, 5)])
        layer = view.layer()
        _scapula(top, joint, layer)
        _long_bones(joint, elbow, paw, layer)
        bone += 0.5 * layer.density()
        way = smooth(np.array([top, joint, elbow, paw]), 24)
        flesh.tube(way, np.interp(np.arange(24), (0, 8, 15, 23), (2.0, 3.4, 2.2, 1.3)))
        shoulder.patch(ellipse(0.5 * (top + joint) + np.array([0.9, 0.3]), (1.9, 3.4), -0.3, 0.05))
    return bone, flesh.solid(1.0, 0.1) + rng.uniform(0.1, 0.5) * shoulder.solid(1.6, 0.5)


def _scapula(top: Points, joint: Points, layer: Layer) -> None:
    """Draw a shoulder blade: a thin plate with its spine and stouter edges."""
    ahead = joint - top
    side = np.array([ahead[1], -ahead[0]]) / np.linalg.norm(ahead)
    plate = np.array([top - 1.2 * side, top + 0.1 * ahead + 1.4 * side, top + 0.5 * ahead + 0.75 * side,
                      joint + 0.3 * side, joint - 0.35 * side, top + 0.6 * ahead - 0.6 * side])  # fmt: skip
    layer.patch(smooth(np.concatenate([plate, plate[:1]]), 40), 0.2)
    ridge = np.array([top + 0.1 * side, top + 0.5 * ahead + 0.1 * side, joint - 0.05 * ahead])
    layer.tube(smooth(ridge, 10), np.linspace(0.08, 0.24, 10), 0.55)
    layer.tube(smooth(plate[[1, 2, 3]], 10), np.linspace(0.08, 0.3, 10), 0.5)
    layer.patch(ellipse(joint, (0.5, 0.35), 0.3), 0.6)


def _long_bones(joint: Points, elbow: Points, paw: Points, layer: Layer) -> None:
    """Draw humerus, radius and ulna: cortex about marrow, knobbed ends."""
    t = np.linspace(0, 1, 16)[:, None]
    arm = joint + t * (elbow - joint) + np.array([0.25, 0.1]) * np.sin(np.pi * t)
    wide = np.interp(t[:, 0], (0, 0.06, 0.2, 0.45, 0.8, 0.95, 1), (0.8, 1.2, 1.0, 0.7, 0.62, 0.95, 0.7))
    layer.tube(elbow + t * (paw - elbow), 0.42, 0.8)
    layer.tube(elbow + np.array([0.45, -0.3]) + t * (paw - elbow), 0.3, 0.7)
    layer.tube(arm, wide, 1.2).tube(arm[1:-1], 0.58 * wide[1:-1], 0.7)
