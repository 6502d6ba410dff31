"""What stands around a monitor: wall and desk, papers, windows, pictures, keyboard, stand and bezel."""

import cv2
import numpy as np

from tools.phantoms.screen_pose import project, rectangle

Generator = np.random.Generator


def polygon(image: np.ndarray, corners: np.ndarray, colour: tuple[int, ...] | np.ndarray) -> None:
    """Fill a polygon, (N, 2) in continuous coordinates, with smooth edges, in place."""
    fixed = np.round((np.clip(corners, -4000, 8000) - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(image, [fixed], tuple(int(v) for v in colour), cv2.LINE_AA, shift=4)


def clouds(rng: Generator, width: int, height: int, cells: tuple[int, int]) -> np.ndarray:
    """Give smooth noise of deviation about 1, float32 (height, width), of so many cells (x, y)."""
    noise = rng.standard_normal((cells[1] + 1, cells[0] + 1), np.float32)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC))


def paint(rng: Generator, low: float = 10, high: float = 240) -> np.ndarray:
    """Choose a colour of paint or paper, float64 (3,), BGR."""
    return np.asarray(np.clip(rng.uniform(low, high) * rng.uniform(0.75, 1.1, 3), 0, 255))


def colour(rng: Generator) -> tuple[int, int, int]:
    """Choose a colour as OpenCV's drawing takes it."""
    blue, green, red = paint(rng).astype(int).tolist()
    return blue, green, red


def room(rng: Generator, width: int, height: int) -> np.ndarray:
    """Draw wall, desk and things on both, uint8 (height, width, 3), BGR."""
    image = _surface(rng, width, height)
    slope, horizon = rng.normal(0, 0.08), rng.uniform(0.4, 1.3) * height
    edge = np.array([[0, horizon], [width, horizon + slope * width], [width, 2 * height], [0, 2 * height]])
    mask = np.zeros((height, width), np.uint8)
    polygon(mask, edge, (255,))
    desk = _surface(rng, width, height)
    cv2.copyTo(desk, mask, image)
    for _ in range(int(rng.integers(0, 7))):
        _thing(rng, image)
    return image


def _surface(rng: Generator, width: int, height: int) -> np.ndarray:
    """Draw paint, plaster, cloth or wood."""
    cells = [(3, 3), (8, 6), (60, 4), (4, 60), (40, 40)][int(rng.integers(5))]
    small = (width + 1) // 2, (height + 1) // 2
    texture = clouds(rng, *small, (2, 2)) * rng.uniform(0, 25)
    texture += clouds(rng, *small, cells) * rng.uniform(0, 18)
    surface = np.clip(paint(rng) + texture[..., np.newaxis], 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(surface, (width, height), interpolation=cv2.INTER_LINEAR))


def tilted(rng: Generator, centre: np.ndarray, across: float, down: float) -> np.ndarray:
    """Give a rectangle seen from somewhere: a loose quadrilateral, float64 (4, 2)."""
    corners = rectangle(-across / 2, -down / 2, across / 2, down / 2)
    corners += rng.normal(0, 0.05, (4, 2)) * (across, down)
    angle = rng.normal(0, 0.2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(corners @ turn.T + centre)


def _thing(rng: Generator, image: np.ndarray) -> None:
    """Draw a sheet of paper, a window, a framed picture, a keyboard, a mug or a cable."""
    height, width = image.shape[:2]
    centre = rng.uniform(-0.1, 1.1, 2) * (width, height)
    across, down = rng.uniform(0.08, 0.5, 2) * max(width, height)
    kind = rng.integers(6)
    if kind == 0:
        sheet(rng, image, tilted(rng, centre, across, down))
    elif kind == 1:
        window(rng, image, tilted(rng, centre, across, down))
    elif kind == 2:
        framed_picture(rng, image, tilted(rng, centre, across, down))
    elif kind == 3:
        keyboard(rng, image, tilted(rng, centre, 1.5 * across, 0.5 * across))
    elif kind == 4:
        radii = (int(across / 4) + 2, int(down / 4) + 2)
        cv2.ellipse(image, centre.astype(int).tolist(), radii, 0, 0, 360, colour(rng), -1, cv2.LINE_AA)
    else:
        path = centre + np.cumsum(rng.normal(0, 0.08, (8, 2)) * max(width, height), 0)
        cv2.polylines(
            image, [path.astype(np.int32)], False, colour(rng), int(rng.integers(1, 6)), cv2.LINE_AA
        )


def _inside(corners: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Place rectangles (N, 4) of a unit square in a quadrilateral, float64 (N, 4, 2)."""
    unit = rectangle(0, 0, 1, 1).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(unit, corners.astype(np.float32))
    points = np.concatenate([rectangle(*box) for box in boxes])
    return project(matrix, points).reshape(-1, 4, 2)


def sheet(rng: Generator, image: np.ndarray, corners: np.ndarray) -> None:
    """Draw a document: paper with lines of print."""
    polygon(image, corners, paint(rng, 170, 255))
    ink, lines = paint(rng, 10, 120), int(rng.integers(4, 26))
    y = (np.arange(lines) + 1.0) / (lines + 2)
    right = rng.uniform(0.4, 0.92, lines)
    boxes = np.column_stack([np.full(lines, 0.08), y, right, y + 0.45 / (lines + 2)])
    for box in _inside(corners, boxes):
        polygon(image, box, ink)


def window(rng: Generator, image: np.ndarray, corners: np.ndarray) -> None:
    """Draw a window: bright panes between bars."""
    polygon(image, corners, paint(rng, 60, 250))
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    gap = rng.uniform(0.02, 0.06)
    panes = [
        ((c + gap) / columns, (r + gap) / rows, (c + 1 - gap) / columns, (r + 1 - gap) / rows)
        for c in range(columns)
        for r in range(rows)
    ]
    light = paint(rng, 180, 255)
    for box in _inside(corners, np.array(panes)):
        polygon(image, box, light)


def framed_picture(rng: Generator, image: np.ndarray, corners: np.ndarray) -> None:
    """Draw a picture in a frame, with or without a mount."""
    polygon(image, corners, paint(rng))
    edges = np.array([rng.uniform(0.02, 0.06), rng.uniform(0.1, 0.2)])
    colours = [paint(rng, 150, 255), paint(rng)]
    for edge, colour in zip(edges, colours, strict=True):
        polygon(image, _inside(corners, np.array([[edge, edge, 1 - edge, 1 - edge]]))[0], colour)
    for _ in range(int(rng.integers(0, 6))):
        x, y, size = *rng.uniform(edges[1], 0.7, 2), rng.uniform(0.05, 0.25)
        box = np.array([[x, y, min(x + size, 0.8), min(y + size, 0.8)]])
        polygon(image, _inside(corners, box)[0], paint(rng))


def keyboard(rng: Generator, image: np.ndarray, corners: np.ndarray) -> None:
    """Draw rows of keys on a plate."""
    dark = rng.random() < 0.6
    polygon(image, corners, paint(rng, 10, 70) if dark else paint(rng, 160, 240))
    key = paint(rng, 20, 90) if dark else paint(rng, 190, 255)
    boxes = [
        (c / 15 + 0.01, r / 5 + 0.03, (c + 1) / 15 - 0.005, (r + 1) / 5 - 0.02)
        for c in range(15)
        for r in range(5)
    ]
    for box in _inside(corners, np.array(boxes)):
        polygon(image, box, key)


def stand_and_bezel(rng: Generator, image: np.ndarray, matrix: np.ndarray, screen: np.ndarray) -> None:
    """Draw the monitor's body: stand, back edge and bezel around the emitting area.

    Parameters
    ----------
    image
        uint8 (rows, columns, 3), drawn on in place.
    matrix
        float64 (3, 3): from the screen's plane to the photo.
    screen
        (4,): left, top, right, bottom of the emitting area in its plane.
    """
    left, top, right, bottom = screen
    across, down = right - left, bottom - top
    thin = rng.random() < 0.5
    edge = (rng.uniform(0.006, 0.02) if thin else rng.uniform(0.02, 0.06)) * across
    chin = edge * rng.choice([1.0, 1.0, rng.uniform(1.5, 4)])
    body = paint(rng, 5, 45) if rng.random() < 0.75 else paint(rng, 120, 240)
    middle, half = (left + right) / 2, across * rng.uniform(0.04, 0.12)
    foot = bottom + chin + down * rng.uniform(0.1, 0.4)
    neck = rectangle(middle - half, bottom, middle + half, foot)
    neck[2:, 0] += (0.2 * half, -0.2 * half)
    base = rectangle(middle - 3 * half, foot, middle + 3 * half, foot + 0.06 * down)
    shade = body * rng.uniform(0.6, 1.0)
    for shape in (neck, base):
        polygon(image, project(matrix, shape), shade)
    outer = rectangle(left - edge, top - edge, right + edge, bottom + chin)
    polygon(image, project(matrix, outer), np.minimum(body * rng.uniform(0.9, 1.5), 255))
    inner = rectangle(left - 0.25 * edge, top - 0.25 * edge, right + 0.25 * edge, bottom + 0.25 * edge)
    polygon(image, project(matrix, inner), body * rng.uniform(0.4, 1.0))


def fingers(rng: Generator, image: np.ndarray) -> None:
    """Let one to three fingers reach in from one edge of the photo, in place."""
    height, width = image.shape[:2]
    skin = rng.uniform((60, 90, 130), (150, 175, 220)) * rng.uniform(0.35, 1.0)
    light, dark = skin.tolist(), (0.8 * skin).tolist()
    side, thick = int(rng.integers(4)), rng.uniform(0.05, 0.11) * min(width, height)
    place, reach = rng.uniform(0.1, 0.9), rng.uniform(0.03, 0.16) * max(width, height)
    for index in range(int(rng.integers(1, 4))):
        along = place * (width if side % 2 == 0 else height) + 1.15 * thick * index
        depth = reach * rng.uniform(0.7, 1.1)
        inner = [(along, depth), (width - depth, along), (along, height - depth), (depth, along)][side]
        outer = [(along, -50), (width + 50, along), (along, height + 50), (-50, along)][side]
        start, end = (tuple(int(v) for v in point) for point in (outer, inner))
        cv2.line(image, start, end, dark, int(thick * 1.05), cv2.LINE_AA)
        cv2.line(image, start, end, light, int(thick * 0.85), cv2.LINE_AA)
