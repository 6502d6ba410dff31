"""A radiograph in a viewer's window, as a monitor shows it: toolbars, text, a second viewport, letterbox."""

from typing import NamedTuple

import cv2
import numpy as np

Generator = np.random.Generator
Box = tuple[int, int, int, int]
"""left, top, right, bottom in pixels."""

MONITORS = (16 / 9, 16 / 9, 16 / 10, 16 / 10, 4 / 3, 5 / 4, 3 / 4)
"""Aspects of monitors; the last stands upright."""
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_PLAIN)
WORDS = (
    "Patient", "Thorax", "Canine", "LAT", "Series 1", "W 4096 L 2048", "kV 70", "2.5 mAs", "Zoom 84%",
    "File", "Edit", "View", "Tools", "Measure", "Study", "Max", "Bella", "Luna", "DV", "12:41", "R", "L",
)  # fmt: skip
SEEN = 22
"""Grey levels by which most films are windowed to stand out from what surrounds them."""
SEEN_SHARE = 0.35
"""Share of each side that must do so."""


class Display(NamedTuple):
    """What a monitor shows."""

    screen: np.ndarray
    """uint8 (rows, columns, 3), BGR, the emitting area."""
    film: np.ndarray
    """float64 (3, 3): from pixels of the radiograph to pixels of the screen, continuous."""
    shown: np.ndarray
    """float64 (4,): left, top, right, bottom of the radiograph as far as its viewport shows it."""
    viewport: np.ndarray
    """float64 (4,): the same of the viewport."""


def display(rng: Generator, radiograph: np.ndarray, *, long_side_px: int) -> Display:
    """Show a radiograph in a viewer.

    Parameters
    ----------
    rng
        Source of every choice.
    radiograph
        uint8 (rows, columns).
    long_side_px
        Longer side of the radiograph on the screen.
    """
    aspect = rng.choice(MONITORS)
    box, viewport, size = _layout(rng, radiograph.shape[1] / radiograph.shape[0], aspect, long_side_px)
    screen = _desktop(rng, size)
    background = _black(rng)
    _chrome(rng, screen, viewport)
    _other_viewports(rng, screen, viewport, radiograph, background)
    left, top, right, bottom = viewport
    screen[top:bottom, left:right] = background
    visible, film = _clip(box, viewport), _film_to_screen(radiograph, box)
    _show(rng, screen, radiograph, box, viewport)
    _annotate(rng, screen, viewport)
    if rng.random() < 0.6:
        cv2.rectangle(screen, (left - 1, top - 1), (right, bottom), _grey(rng, 30, 200), 1)
    return Display(screen, film, np.array(visible, np.float64), np.array(viewport, np.float64))


def other_screen(rng: Generator, width: int, height: int) -> np.ndarray:
    """Draw a screen without a radiograph: windows, tables and text, uint8 (height, width, 3)."""
    screen = _desktop(rng, (width, height))
    for _ in range(int(rng.integers(1, 5))):
        left, top = int(rng.integers(0, width * 3 // 4)), int(rng.integers(0, height * 3 // 4))
        right, bottom = left + int(rng.integers(20, width)), top + int(rng.integers(20, height))
        cv2.rectangle(screen, (left, top), (right, bottom), _colour(rng), -1)
        _text(rng, screen, (left + 4, top + 8, min(right, width), min(bottom, height)))
    return screen


def _layout(
    rng: Generator, film_aspect: float, monitor_aspect: float, long_side: int
) -> tuple[Box, Box, tuple[int, int]]:
    """Give the film's box, its viewport's and the screen's size in pixels."""
    plain = rng.random() < 0.25
    margins = np.zeros(4) if plain else rng.uniform(0, [0.16, 0.13, 0.22, 0.06]) * (rng.random(4) < 0.7)
    if not plain and margins[1] < 0.02:
        margins[1] = 0.04
    width = 1000.0 * monitor_aspect
    port = np.array(
        [margins[0] * width, margins[1] * 1000, (1 - margins[2]) * width, (1 - margins[3]) * 1000]
    )
    if not plain and rng.random() < 0.35 and monitor_aspect > 1:
        middle = port[0] + (port[2] - port[0]) * rng.uniform(0.45, 0.65)
        port[[0, 2]] = (port[0], middle - 3) if rng.random() < 0.5 else (middle + 3, port[2])
    across, down = port[2] - port[0], port[3] - port[1]
    fit = min(across / film_aspect, down) * rng.choice(
        [1.0, 1.0, rng.uniform(0.75, 1.0), rng.uniform(1.0, 1.35)]
    )
    film = np.array([fit * film_aspect, fit])
    centre = np.array([port[0] + across / 2, port[1] + down / 2]) + rng.normal(0, 8, 2) * (rng.random() < 0.3)
    box = np.concatenate([centre - film / 2, centre + film / 2])
    seen = np.minimum(box[2:], port[2:]) - np.maximum(box[:2], port[:2])
    scale = long_side / max(seen)
    return _box(box * scale), _box(port * scale), (round(width * scale), round(1000 * scale))


def _box(edges: np.ndarray) -> Box:
    left, top, right, bottom = edges.round().astype(int).tolist()
    return left, top, right, bottom


def _film_to_screen(radiograph: np.ndarray, box: Box) -> np.ndarray:
    """Give the homography from the film's pixels, float64 (3, 3)."""
    rows, columns = radiograph.shape
    scale = (box[2] - box[0]) / columns, (box[3] - box[1]) / rows
    return np.array([[scale[0], 0, box[0]], [0, scale[1], box[1]], [0, 0, 1.0]])


def _show(rng: Generator, screen: np.ndarray, radiograph: np.ndarray, box: Box, viewport: Box) -> None:
    """Put the film on the screen as far as its viewport shows it, in place.

    Most films whose air would merge with the viewer's black are windowed such that it does not: of a film
    without visible sides nobody could say where it ends.
    """
    left, top, right, bottom = visible = _clip(box, viewport)
    resized = _resize(radiograph, box[2] - box[0], box[3] - box[1])
    shown = resized[top - box[1] : bottom - box[1], left - box[0] : right - box[0]]
    floors = [rng.uniform(8, 45) if rng.random() < 0.3 else 0.0, *rng.permutation([45.0, 75.0])]
    white = rng.uniform(0.75, 1.0) * 255
    for floor in floors[: 3 if rng.random() < 0.93 else 1]:
        levels = np.clip(floor + np.arange(256) * (white - floor) / 255, 0, 255).astype(np.uint8)
        screen[top:bottom, left:right] = cv2.LUT(shown, levels)[..., np.newaxis]
        if _stands_out(screen, visible, viewport):
            return


def _clip(box: Box, within: Box) -> Box:
    return (
        max(box[0], within[0]), max(box[1], within[1]), min(box[2], within[2]), min(box[3], within[3])
    )  # fmt: skip


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    shrinks = width < image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method))


def _stands_out(screen: np.ndarray, film: Box, viewport: Box) -> bool:
    """Tell whether each side of the film differs from the viewport's background beyond it."""
    grey, gap = screen[..., 1].astype(np.int16), 3
    left, top, right, bottom = film
    rows, columns = slice(top, bottom), slice(left, right)
    sides = (
        (left - gap >= viewport[0], (rows, left + gap), (rows, left - gap)),
        (top - gap >= viewport[1], (top + gap, columns), (top - gap, columns)),
        (right + gap < viewport[2], (rows, right - gap), (rows, right + gap)),
        (bottom + gap < viewport[3], (bottom - gap, columns), (bottom + gap, columns)),
    )
    return all(_differ(grey[inner], grey[outer]) for apart, inner, outer in sides if apart)


def _differ(inner: np.ndarray, outer: np.ndarray) -> bool:
    return bool((abs(inner - outer) >= SEEN).mean() >= SEEN_SHARE)


def _grey(rng: Generator, low: int, high: int) -> tuple[int, int, int]:
    level = int(rng.integers(low, high))
    return level, level, level


def _colour(rng: Generator) -> tuple[int, ...]:
    level = rng.uniform(15, 245)
    return tuple(int(v) for v in np.clip(level + rng.normal(0, 14, 3), 0, 255))


def _black(rng: Generator) -> np.ndarray:
    """Give a viewport's background: black mostly, some greys and the blues of old viewers."""
    if rng.random() < 0.7:
        return np.zeros(3, np.uint8)
    return np.clip(rng.uniform(5, 70) + rng.normal(0, 6, 3), 0, 255).astype(np.uint8)


def _desktop(rng: Generator, size: tuple[int, int]) -> np.ndarray:
    colour = _black(rng) if rng.random() < 0.5 else np.array(_colour(rng), np.uint8)
    return np.full((size[1], size[0], 3), colour, np.uint8)


def _chrome(rng: Generator, screen: np.ndarray, viewport: Box) -> None:
    """Draw bars with buttons and text around the viewport."""
    rows, columns = screen.shape[:2]
    left, top, right, bottom = viewport
    bars = [
        (0, 0, columns, top),
        (0, top, left, rows),
        (right, top, columns, rows),
        (left, bottom, right, rows),
    ]
    for bar in bars:
        if bar[2] - bar[0] < 8 or bar[3] - bar[1] < 8:
            continue
        cv2.rectangle(screen, bar[:2], (bar[2] - 1, bar[3] - 1), _colour(rng), -1)
        if rng.random() < 0.7:
            _buttons(rng, screen, bar)
        if rng.random() < 0.7:
            _text(rng, screen, bar)


def _buttons(rng: Generator, screen: np.ndarray, bar: Box) -> None:
    across, down = bar[2] - bar[0], bar[3] - bar[1]
    side = max(int(min(across, down) * rng.uniform(0.4, 0.85)), 4)
    step = side + max(side // int(rng.integers(2, 6)), 2)
    gap = (min(across, down) - side) // 2
    for index in range(min(int(rng.integers(3, 20)), max(across, down) // step)):
        along = gap + index * step
        x, y = (bar[0] + along, bar[1] + gap) if across > down else (bar[0] + gap, bar[1] + along)
        cv2.rectangle(screen, (x, y), (x + side, y + side), _colour(rng), -1 if rng.random() < 0.6 else 1)
        if rng.random() < 0.5:
            cv2.circle(screen, (x + side // 2, y + side // 2), max(side // 4, 1), _colour(rng), 1)


def _text(rng: Generator, screen: np.ndarray, box: Box) -> None:
    size = rng.uniform(0.25, 0.6)
    step = max(int(26 * size), 8)
    colour, font = _colour(rng), int(rng.choice(FONTS))
    for y in range(box[1] + step, box[3] - 2, int(step * rng.uniform(1, 2.5)))[: int(rng.integers(1, 14))]:
        words = " ".join(rng.choice(WORDS, int(rng.integers(1, 4))))
        part = screen[: box[3], : box[2]]
        cv2.putText(part, words, (box[0] + 4, y), font, size, colour, 1, cv2.LINE_AA)


def _annotate(rng: Generator, screen: np.ndarray, viewport: Box) -> None:
    """Write patient and exposure into the viewport's corners, as viewers do."""
    if rng.random() < 0.4:
        return
    left, top, right, bottom = viewport
    size, colour = rng.uniform(0.25, 0.5), _grey(rng, 120, 255)
    lines = int(rng.integers(1, 5))
    step = max(int(30 * size), 7)
    columns, rows = (left + 4, right - int(150 * size) - 20), (top + step, bottom - lines * step)
    for x, y in [(x, y) for x in columns for y in rows if rng.random() < 0.6]:
        for line in range(lines):
            where, word = (max(x, left), y + line * step), str(rng.choice(WORDS))
            cv2.putText(screen, word, where, FONTS[0], size, colour, 1, cv2.LINE_AA)


def _other_viewports(
    rng: Generator, screen: np.ndarray, viewport: Box, radiograph: np.ndarray, background: np.ndarray
) -> None:
    """Fill what lies beside the viewport: nothing, thumbnails, a list, or another film, mostly smaller."""
    columns = screen.shape[1]
    left, top, right, bottom = viewport
    beside = (0, top, left - 4, bottom) if left > columns - right else (right + 4, top, columns, bottom)
    across, down = beside[2] - beside[0], beside[3] - beside[1]
    if across < 0.12 * columns or down < 20 or rng.random() < 0.3:
        return
    part = screen[beside[1] : beside[3], beside[0] : beside[2]]
    part[:] = background
    if rng.random() < 0.4:
        _text(rng, screen, beside)
        return
    other = radiograph[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
    count = int(rng.integers(1, 6))
    # Smaller than the film: of two films of one size nobody could say which is meant.
    largest = 0.45 * min(right - left, bottom - top)
    side = int(min(across * rng.uniform(0.5, 0.95), down / count * 0.9, largest))
    if side < 8:
        return
    thumb = cv2.resize(other, (side, side), interpolation=cv2.INTER_AREA)
    for index in range(count):
        y, x = int((index + 0.05) * down / count), (across - side) // 2
        part[y : y + side, x : x + side] = thumb[..., np.newaxis]
