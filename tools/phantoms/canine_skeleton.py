"""Ribs, sternum and forelimbs of a drawn dog."""

import numpy as np

from tools.phantoms.canine_canvas import Points, View, smooth
from tools.phantoms.canine_chest import Dog
from tools.phantoms.canine_spine import T1


def draw_ribs(dog: Dog, view: View, rng: np.random.Generator) -> np.ndarray:
    """Give the thickness of thirteen pairs of ribs and their cartilages, float32 (rows, columns)."""
    whole = np.zeros(view.shape, np.float32)
    width = rng.uniform(0.27, 0.42)
    chalk = rng.uniform(0.05, 0.5)
    bow = rng.normal(0, 0.12, 13)
    for far in (False, True):
        bones = [_rib(dog, number, far, bow[number]) for number in range(13)]
        widths = (
            width
            * (1.08 if far else 1.0)
            * np.interp(np.linspace(0, 1, 28), (0, 0.1, 0.5, 0.9, 1), (0.75, 1, 0.95, 1.2, 1.3))
        )
        outer, inner, ends = view.layer(), view.layer(), view.layer()
        for number, bone in enumerate(bones):
            outer.tube(bone, widths)
            inner.tube(bone, 0.5 * widths)
            ends.tube(_cartilage(dog, number, bone[-1]), 0.85 * width)
        faint = 0.75 if far else 1.0
        whole += faint * (
            0.42 * outer.density(0.02) - 0.2 * inner.density(0.03)
        ) + chalk * 0.3 * ends.density(0.03)
    return whole


def _rib(dog: Dog, number: int, far: bool, bow: float) -> Points:
    """Give a rib's centre line from its head to its cartilage, (28, 2)."""
    head = dog.spine.at(T1 + number, -0.05, 0.35)
    tip = _tip(dog, number)
    span = tip - head
    bulge = np.array([span[1], -span[0]]) / 9
    points = [
        head, head + np.array([0.32, -0.22]), head + 0.3 * span + (0.9 + bow) * bulge * 1.3,
        head + 0.65 * span + (0.8 + bow) * bulge, tip,
    ]  # fmt: skip
    line = smooth(np.array(points), 28)
    if far:
        line = line + np.linspace(0.05, 1, 28)[:, None] * dog.rib_shift + 0.03 * (line - dog.heart.top)
    return line


def _tip(dog: Dog, number: int) -> Points:
    """Give the rib's ventral end, where bone turns to cartilage."""
    x = float(np.interp(number, (0, 2, 5, 8, 10, 12), (-2.9, -1.6, 1.9, 6.3, 9.2, 11.8)))
    deep = dog.sternum_y(min(x, dog.sternum[-1, 0])) * float(
        np.interp(number, (0, 1, 4, 8, 10, 12), (0.8, 0.84, 0.86, 0.8, 0.68, 0.45))
    )
    return np.array([x, deep])


def _cartilage(dog: Dog, number: int, tip: Points) -> Points:
    """Give the cartilage's centre line: forwards to its sternebra, or along the arch behind."""
    joint = min(number, 8)
    x, y = dog.sternum[min(joint, 8)]
    if number > 8:
        x, y = tip[0] - 2.2, tip[1] + 1.5
    bend = np.array([tip[0] + 0.15 * (tip[0] - x) + 0.1, 0.45 * tip[1] + 0.55 * y])
    return smooth(np.array([tip, bend, (x, y)]), 16)


def draw_sternum(dog: Dog, view: View) -> np.ndarray:
    """Give the thickness of the sternebrae, float32 (rows, columns)."""
    blocks, rims = view.layer(), view.layer()
    for number, (start, end) in enumerate(zip(dog.sternum[:-1], dog.sternum[1:], strict=True)):
        ahead = end - start
        down = np.array([-ahead[1], ahead[0]]) / np.linalg.norm(ahead)
        tall = 0.24 if number == 7 else 0.42
        corners = [(0.06, -0.5), (0.5, -0.4), (0.92, -0.5), (0.92, 0.5), (0.5, 0.38), (0.06, 0.5)]
        block = np.array([start + a * ahead + (d * tall + 0.2) * down for a, d in corners])
        blocks.patch(block)
        rims.lines([block[[0, 5]], block[[2, 3]]], 0.05)
    return np.asarray(0.6 * blocks.density(0.03) + 0.3 * rims.density(0.02))


def draw_forelimbs(dog: Dog, view: View, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give scapulae and humeri, and the flesh of the upper arms: bone and tissue, float32 (rows, columns)."""
    bone = np.zeros(view.shape, np.float32)
    flesh = view.layer()
    pulled = rng.uniform(-2.2, 0.9)
    for side in (0, 1):
        shift = np.array([pulled + side * rng.normal(0, 0.6), side * rng.normal(0, 0.3)])
        top, joint = np.array([-2.6, -1.9]) + 0.5 * shift, np.array([-4.6, 4.4]) + shift
        elbow = joint + np.array([rng.uniform(-3.6, 1.8), rng.uniform(3.2, 4.8)])
        bone += _scapula(top, joint, view) + _humerus(joint, elbow, view)
        flesh.tube(
            np.array([joint - 0.5 * (elbow - joint), joint, elbow, 2 * elbow - joint]),
            np.array([3.6, 3.4, 2.6, 1.6]),
        )
    return bone, flesh.solid(1.2)


def _scapula(top: Points, joint: Points, view: View) -> np.ndarray:
    ahead = joint - top
    side = np.array([ahead[1], -ahead[0]]) / np.linalg.norm(ahead)
    plate = np.array([top - 1.2 * side, top + 1.3 * side, top + 0.5 * ahead + 0.75 * side, joint + 0.3 * side,
                      joint - 0.35 * side, top + 0.6 * ahead - 0.6 * side])  # fmt: skip
    blade = view.layer().patch(smooth(np.concatenate([plate, plate[:1]]), 40)).density(0.06)
    edges = view.layer()
    edges.tube(
        np.array([top + 0.1 * side, top + 0.5 * ahead + 0.05 * side, joint - 0.05 * ahead]),
        np.array([0.12, 0.2, 0.3]),
    )
    edges.tube(plate[[1, 2, 3]], np.array([0.1, 0.16, 0.35]))
    return np.asarray(0.14 * blade + 0.22 * edges.density(0.04))


def _humerus(joint: Points, elbow: Points, view: View) -> np.ndarray:
    t = np.linspace(0, 1, 12)
    line = joint + t[:, None] * (elbow - joint)
    wide = np.interp(t, (0, 0.08, 0.3, 0.8, 1), (1.2, 1.25, 0.75, 0.6, 0.9))
    outer = view.layer().tube(line, wide).density(0.03)
    inner = view.layer().tube(line, 0.55 * wide).density(0.05)
    return np.asarray(0.75 * outer - 0.35 * inner)
