"""Drawn images that are no chest films: body parts as on radiographs, textures, shapes and text.

They are coarse on purpose. The chest gate looks at 64×64 pixels, where a pelvis is two bright wings, a
ring and two shafts; what counts is that every kind of layout turns up in many variants.
"""

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np

Generator = np.random.Generator
Point = tuple[float, float]

SIDE = 128
"""Side of a drawn image in pixels; lengths below are shares of it."""


def _canvas(level: float = 0.0) -> np.ndarray:
    return np.full((SIDE, SIDE), level, np.float32)


def _ellipse(centre: Point, axes: Point, angle: float = 0.0) -> np.ndarray:
    """Give a filled ellipse, float32 (SIDE, SIDE) of 0 and 1; centre as (x, y), angle in degrees."""
    image = _canvas()
    pixel = (round(centre[0] * SIDE), round(centre[1] * SIDE))
    radii = (max(round(axes[0] * SIDE), 1), max(round(axes[1] * SIDE), 1))
    return np.asarray(cv2.ellipse(image, pixel, radii, angle, 0, 360, (1.0,), -1, cv2.LINE_AA))


def _stroke(points: list[Point], width: float) -> np.ndarray:
    """Give a line through points, float32 (SIDE, SIDE) of 0 and 1."""
    path = (np.array(points) * SIDE).round().astype(np.int32)
    image = cv2.polylines(_canvas(), [path], False, (1.0,), max(round(width * SIDE), 1), cv2.LINE_AA)
    return np.asarray(image)


def _polygon(corners: np.ndarray) -> np.ndarray:
    """Give a filled polygon with corners (x, y), float32 (SIDE, SIDE) of 0 and 1."""
    return np.asarray(cv2.fillPoly(_canvas(), [(corners * SIDE).astype(np.int32)], (1.0,)))


def _pair(values: np.ndarray) -> Point:
    return float(values[0]), float(values[1])


def _blur(image: np.ndarray, share: float) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(share * SIDE, 0.3)))


def _clouds(generator: Generator, scale: float) -> np.ndarray:
    """Give smooth noise of mean 0 and deviation 1 whose blobs are `scale` of the side across."""
    noise = _blur(generator.standard_normal((SIDE, SIDE)).astype(np.float32), scale)
    return np.asarray((noise - noise.mean()) / (noise.std() + 1e-6))


def _cortical(shape: np.ndarray, thickness: float = 0.02) -> np.ndarray:
    """Give a bone: its inside half as dense as its rim."""
    inside = cv2.erode(shape, np.ones((3, 3)), iterations=max(round(thickness * SIDE), 1))
    return np.asarray(shape - 0.45 * _blur(inside, 0.01))


def _shaft(generator: Generator, start: Point, end: Point, width: float) -> np.ndarray:
    """Give a long bone with flared ends."""
    shape = _stroke([start, end], width)
    for x, y in (start, end):
        flare = width * generator.uniform(0.6, 1.1)
        shape = np.maximum(shape, _ellipse((x, y), (flare, flare * 0.8)))
    return _cortical(shape, width * 0.2)


def limb(generator: Generator) -> np.ndarray:
    """Draw one or two long bones in soft tissue: forearm, leg, femur."""
    tilt, width = generator.uniform(-0.15, 0.15), generator.uniform(0.05, 0.14)
    top, bottom = generator.uniform(-0.2, 0.2), generator.uniform(0.8, 1.2)
    tissue = _stroke([(0.5 - tilt, -0.1), (0.5 + tilt, 1.1)], width * generator.uniform(2.5, 4.5))
    image = 0.35 * _blur(tissue, 0.02)
    for offset in generator.permutation([-0.8, 0.8])[: generator.integers(1, 3)] * width:
        bone = _shaft(generator, (0.5 - tilt + offset, top), (0.5 + tilt + offset, bottom), width)
        image = image + 0.5 * bone
    return image


def knee(generator: Generator) -> np.ndarray:
    """Draw two shafts that flare towards a joint gap: knee, elbow, ankle."""
    x, y = generator.uniform(0.42, 0.58, 2)
    width = generator.uniform(0.1, 0.17)
    image = 0.35 * _blur(_stroke([(x, -0.1), (x, 1.1)], width * generator.uniform(2.4, 3.6)), 0.02)
    gap = generator.uniform(0.01, 0.03)
    for sign, far in ((-1, -0.1), (1, 1.1)):
        head = _ellipse((x, y + sign * (gap + 0.09)), (width * 1.4, 0.09))
        shape = np.maximum(head, _stroke([(x, y + sign * 0.1), (x, far)], width))
        image = image + 0.45 * _cortical(shape)
    return image + 0.2 * _ellipse((x, y - 0.12), (width * 0.6, width * 0.7))


def pelvis(generator: Generator) -> np.ndarray:
    """Draw a pelvis with both hips, or a part of it around one hip."""
    tissue = _ellipse((0.5, 0.5), (generator.uniform(0.5, 0.8), generator.uniform(0.5, 0.8)))
    image = generator.uniform(0.2, 0.9) * _blur(tissue, 0.03) * (1 + 0.08 * _clouds(generator, 0.1))
    image += 0.3 * _stroke([(0.5, -0.1), (0.5, 0.4)], generator.uniform(0.1, 0.16))
    image += 0.25 * _ellipse((0.5, 0.4), (0.1, 0.14))
    for side in (-1, 1):
        wing = _ellipse((0.5 + side * 0.25, 0.27), (0.2, 0.16), side * generator.uniform(25, 50))
        ring = _ellipse((0.5 + side * 0.13, 0.68), (0.13, 0.12))
        hole = _ellipse((0.5 + side * 0.13, 0.7), (0.07, 0.08), side * 30)
        hip = (0.5 + side * 0.3, 0.55)
        femur = _stroke([hip, (0.5 + side * 0.42, 0.66), (0.5 + side * 0.4, 1.1)], 0.1)
        image += 0.3 * _cortical(wing) + 0.3 * _cortical(np.maximum(ring - hole, 0))
        image += 0.35 * _cortical(np.maximum(femur, _ellipse(hip, (0.075, 0.075))))
    return _zoom(generator, image, generator.choice([1.0, 1.0, 1.6, 2.2]))


def _zoom(generator: Generator, image: np.ndarray, factor: float) -> np.ndarray:
    """Cut a part out and enlarge it to the whole."""
    side = int(SIDE / factor)
    top, left = generator.integers(0, SIDE - side + 1, 2)
    part = image[top : top + side, left : left + side]
    return np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR))


def skull(generator: Generator) -> np.ndarray:
    """Draw a skull from the front or the side."""
    centre = (generator.uniform(0.4, 0.6), generator.uniform(0.35, 0.45))
    axes = (generator.uniform(0.25, 0.4), generator.uniform(0.28, 0.4))
    vault = _ellipse(centre, axes)
    image = 0.25 * vault + 0.4 * _cortical(vault, generator.uniform(0.02, 0.05))
    jaw = (centre[0] + generator.uniform(-0.15, 0.15), centre[1] + axes[1])
    image += 0.3 * _ellipse(jaw, (axes[0] * 0.6, 0.18)) + 0.2 * _stroke([jaw, (0.5, 1.1)], 0.18)
    for side in (-1, 1):
        orbit = _ellipse((centre[0] + side * 0.12, centre[1] + 0.12), (0.08, 0.07))
        image -= generator.uniform(0.0, 0.3) * _blur(orbit, 0.015)
    return np.maximum(image, 0)


def breast(generator: Generator) -> np.ndarray:
    """Draw a mammogram: half an ellipse against one edge, brighter towards the nipple."""
    height, depth = generator.uniform(0.25, 0.5), generator.uniform(0.3, 0.85)
    y = generator.uniform(0.4, 0.6)
    outline = _ellipse((0.0, y), (depth, height), generator.uniform(-12, 12))
    gland = _blur(_ellipse((depth * 0.45, y), (depth * 0.4, height * 0.6)), 0.05)
    texture = 1 + 0.35 * _clouds(generator, 0.03)
    image = outline * (generator.uniform(0.1, 0.4) + 0.5 * gland * texture)
    if generator.random() < 0.5:
        muscle = _polygon(np.array([[0, 0], [0.35, 0], [0, 0.6]]))
        image += generator.uniform(0.2, 0.5) * _blur(muscle, 0.02)
    image = _blur(image, 0.008)
    return image[:, ::-1].copy() if generator.random() < 0.5 else image


def spine(generator: Generator) -> np.ndarray:
    """Draw a column of vertebrae, neck or loins, from the front or the side."""
    tissue = _stroke([(0.5, -0.1), (0.5, 1.1)], generator.uniform(0.4, 1))
    image = generator.uniform(0.15, 0.5) * _blur(tissue, 0.05)
    width, count = generator.uniform(0.07, 0.16), int(generator.integers(5, 9))
    bend = generator.uniform(-0.15, 0.15)
    for index in range(count):
        y = (index + 0.5) / count
        x = 0.5 + bend * np.sin(np.pi * y)
        body = _stroke([(x - width / 2, y), (x + width / 2, y)], generator.uniform(0.6, 0.8) / count)
        image += 0.35 * _cortical(body, 0.015)
    return image


def abdomen(generator: Generator) -> np.ndarray:
    """Draw an abdomen: bright, gas in the bowel, loins, the upper rims of the pelvis."""
    image = 0.55 * _blur(_ellipse((0.5, 0.5), (generator.uniform(0.42, 0.6), 0.75)), 0.03)
    image += 0.2 * _stroke([(0.5, 0), (0.5, 1)], 0.12)
    for _ in range(generator.integers(3, 12)):
        x, y = generator.uniform(0.2, 0.8), generator.uniform(0.15, 0.85)
        radii = generator.uniform(0.02, 0.08, 2)
        gas = _blur(_ellipse((x, y), (radii[0], radii[1]), generator.uniform(0, 180)), 0.01)
        image -= generator.uniform(0.15, 0.4) * gas
    for side in (-1, 1):
        image += 0.2 * _cortical(_ellipse((0.5 + side * 0.3, 0.95), (0.2, 0.18), side * 30))
    return np.maximum(image, 0)


def foot(generator: Generator) -> np.ndarray:
    """Draw a fan of digits on a plate of small bones: hand or foot, any side up."""
    image = 0.4 * _blur(_stroke([(0.5, 0.6), (0.5, 1.1)], generator.uniform(0.2, 0.35)), 0.02)
    bones = 0.6 * _stroke([(0.5, 0.8), (0.5, 1.1)], 0.1)
    for angle in np.linspace(-0.5, 0.5, 5) + generator.normal(0, 0.04, 5):
        reach = generator.uniform(0.35, 0.6)
        points = [(0.5 + 0.6 * s * np.sin(angle), 0.7 - s * reach) for s in np.linspace(0.1, 1, 4)]
        image = np.maximum(image, 0.4 * _blur(_stroke(points, 0.08), 0.01))
        for (x, y), (to_x, to_y) in pairwise(points):
            bone = _stroke([(x, y), (0.2 * x + 0.8 * to_x, 0.2 * y + 0.8 * to_y)], 0.035)
            bones = np.maximum(bones, 0.6 * bone)
    for _ in range(8):
        carpal = _ellipse(_pair(generator.uniform((0.4, 0.65), (0.6, 0.8), 2)), (0.05, 0.05))
        bones = np.maximum(bones, 0.6 * _cortical(carpal, 0.01))
    image = image + bones
    return np.asarray(np.rot90(image, generator.integers(0, 4)))


def teeth(generator: Generator) -> np.ndarray:
    """Draw a panoramic film of the jaws."""
    image = 0.3 + 0.1 * _clouds(generator, 0.08)
    for row, curve in ((0.44, 0.12), (0.6, 0.18)):
        for x in np.linspace(0.12, 0.88, 14):
            y = row - curve * (2 * x - 1) ** 2
            image += 0.35 * _ellipse((x, y), (0.022, 0.06))
    return image + 0.3 * _stroke([(0.05, 0.3), (0.2, 0.75), (0.5, 0.85), (0.8, 0.75), (0.95, 0.3)], 0.08)


def slice_of_ct(generator: Generator) -> np.ndarray:
    """Draw a cross-section: an oval body with organs, spine and sometimes lungs, on black or grey."""
    body = _ellipse((0.5, 0.5), (generator.uniform(0.3, 0.47), generator.uniform(0.22, 0.4)))
    image = generator.uniform(0, 0.5) + generator.uniform(0.2, 0.5) * body
    lungs = generator.random() < 0.5
    for side in (-1, 1):
        organ = _ellipse((0.5 + side * 0.18, 0.48), _pair(generator.uniform(0.06, 0.16, 2)))
        image += (-0.35 if lungs else 0.15) * organ
    return np.maximum(image + 0.4 * _ellipse((0.5, 0.7), (0.05, 0.06)), 0)


def texture(generator: Generator) -> np.ndarray:
    """Draw noise, clouds, a gradient, stripes or a blank."""
    kind = generator.integers(0, 5)
    if kind == 0:
        return np.asarray(generator.random((SIDE, SIDE)), np.float32)
    if kind == 1:
        octaves = [_clouds(generator, scale) * scale for scale in (0.01, 0.03, 0.08, 0.2)]
        return np.asarray(sum(octaves))
    x = np.linspace(0, 1, SIDE, dtype=np.float32)
    phase = np.add.outer(x * generator.normal(), x * generator.normal())
    if kind == 2:
        return np.asarray(phase, np.float32)
    if kind == 3:
        return np.asarray(np.sin(phase * generator.uniform(5, 60)))
    return np.asarray(_canvas(generator.random()) + 0.01 * _clouds(generator, 0.01))


def shapes(generator: Generator) -> np.ndarray:
    """Draw overlapping discs, bars and polygons, as a photograph or a drawing might show."""
    image = _canvas(generator.random()) + 0.1 * _clouds(generator, 0.1)
    for _ in range(generator.integers(2, 14)):
        if generator.random() < 0.5:
            radii = _pair(generator.uniform(0.03, 0.35, 2))
            mask = _ellipse(_pair(generator.random(2)), radii, generator.uniform(0, 180))
        else:
            mask = _polygon(generator.random((generator.integers(3, 6), 2)))
        image = image * (1 - mask) + generator.random() * mask
    return _blur(image, generator.choice([0.002, 0.01, 0.03]))


def text(generator: Generator) -> np.ndarray:
    """Draw lines of letters, black on white or white on black."""
    image = _canvas()
    for row in range(int(generator.integers(2, 10))):
        letters = "".join(chr(code) for code in generator.integers(65, 91, 12))
        origin = (int(generator.integers(0, 30)), 12 + row * 13)
        cv2.putText(image, letters, origin, cv2.FONT_HERSHEY_SIMPLEX, generator.uniform(0.3, 0.6), (1.0,), 1)
    return image


KINDS: tuple[Callable[[Generator], np.ndarray], ...] = (
    limb, knee, pelvis, pelvis, skull, breast, breast, spine, abdomen, foot, teeth, slice_of_ct,
    texture, shapes, text,
)  # fmt: skip


def other_image(generator: Generator) -> np.ndarray:
    """Draw one image that is no chest film.

    Parameters
    ----------
    generator
        Source of every choice.

    Returns
    -------
    uint8 (128, 128), bright where dense unless the drawing is inverted, which one in eight is.
    """
    image = KINDS[generator.integers(len(KINDS))](generator)
    image = image + generator.uniform(0, 0.06) * _clouds(generator, 0.02)
    low, high = image.min(), image.max()
    image = (image - low) / (high - low + 1e-6) * generator.uniform(0.6, 1.3)
    image = 1 - image if generator.random() < 0.125 else image
    return np.asarray(np.clip(image * 255, 0, 255).astype(np.uint8))
