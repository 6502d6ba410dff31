"""The annotated picture: both axes, the VLAS line, six vertebrae, the numbers and how sure they are."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gateway.imaging.lettering import BOLD, PLAIN, typeface
from gateway.imaging.png import encode_png
from gateway.imaging.vhs.result import GOOD, OPTIMAL, REVIEW, Assessment

MAX_SIDE_PX = 1600
"""Longer side of the annotated picture; a smaller one keeps its size from MIN_SIDE_PX on."""
MIN_SIDE_PX = 800
"""Smaller pictures are enlarged: their own pixels could not carry the writing."""

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]  # left, top, right, bottom

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_PANEL_OPACITY = 0.68
_NOTE = "AI measurement – not a diagnosis"


class _Line(NamedTuple):
    """A measured distance."""

    start: str
    end: str
    name: str
    colour: Colour  # RGB, told apart by colour-blind eyes, too (Okabe, Ito 2008)


_LINES = (
    _Line("Vertebra A", "Vertebra B", "T4–T9", (0, 200, 140)),
    _Line("heart_top", "heart_bottom", "Long axis", (86, 190, 255)),
    _Line("heart_right", "heart_left", "Short axis", (250, 190, 0)),
    _Line("heart_top", "VLAS", "VLAS", (255, 120, 200)),
)
_TIER_COLOURS = {OPTIMAL: (60, 200, 110), GOOD: (250, 190, 0), REVIEW: (255, 90, 80)}


def annotated_png(picture: NDArray[np.uint8], assessment: Assessment) -> bytes:
    """Draw what was measured over a picture.

    Parameters
    ----------
    picture
        uint8 (rows, columns), the one that was measured.
    assessment
        What it says is drawn, nothing else: no name, no date.

    Returns
    -------
    An RGB PNG of the picture's proportions, its longer side MIN_SIDE_PX to MAX_SIDE_PX.
    """
    bgr = cv2.cvtColor(annotated(picture, assessment), cv2.COLOR_RGB2BGR)
    return encode_png(np.asarray(bgr, np.uint8))


def annotated(picture: NDArray[np.uint8], assessment: Assessment) -> NDArray[np.uint8]:
    """Draw what was measured over a picture; gives uint8 (rows, columns, 3), RGB."""
    canvas = np.asarray(cv2.cvtColor(_fitted(picture), cv2.COLOR_GRAY2RGB), np.uint8)
    rows, columns = canvas.shape[:2]
    points = {mark.name: (mark.x * columns, mark.y * rows) for mark in assessment.prediction}
    lines = [line for line in _LINES if _is_drawn(line, assessment) and {line.start, line.end} <= set(points)]
    _draw_lines(canvas, points, lines)
    image = Image.fromarray(canvas)
    panel = _draw_panel(image, assessment, points, lines)
    _draw_labels(image, points, panel)
    return np.asarray(image)


def _is_drawn(line: _Line, assessment: Assessment) -> bool:
    """Without a number a line would say that there is one."""
    return assessment.vhs is not None and (line.end != "VLAS" or assessment.vlas is not None)


def _fitted(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = picture.shape
    longer = max(rows, columns)
    scale = min(max(longer, MIN_SIDE_PX), MAX_SIDE_PX) / longer
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return picture if scale == 1 else np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)


def _draw_lines(
    canvas: NDArray[np.uint8], points: dict[str, tuple[float, float]], lines: Sequence[_Line]
) -> None:
    """Draw each on a dark border: it has to be seen on lung and on bone."""
    width = max(2, round(max(canvas.shape) / 500))
    for border, layer in ((width + 2, True), (0, False)):
        for line in lines:
            start, end = _fixed(points[line.start]), _fixed(points[line.end])
            colour = _BLACK if layer else line.colour
            cv2.line(canvas, start, end, colour, width + border, cv2.LINE_AA, 4)
    for point in points.values():
        cv2.circle(canvas, _fixed(point), 16 * (2 * width + 2), _BLACK, -1, cv2.LINE_AA, 4)
        cv2.circle(canvas, _fixed(point), 16 * (2 * width), _WHITE, -1, cv2.LINE_AA, 4)
        cv2.circle(canvas, _fixed(point), 16 * (width // 2 + 1), (220, 30, 30), -1, cv2.LINE_AA, 4)


def _fixed(point: tuple[float, float]) -> tuple[int, int]:
    """Give a point with four fractional bits; OpenCV's pixel centres are at whole numbers, ours at halves."""
    return round((point[0] - 0.5) * 16), round((point[1] - 0.5) * 16)


def _draw_labels(image: Image.Image, points: dict[str, tuple[float, float]], panel: Box) -> None:
    """Name each landmark beside it, outwards where there is room, never over another."""
    size = max(11, round(max(image.size) / 72))
    draw, font = ImageDraw.Draw(image), typeface(BOLD, size)
    reach = size * 0.9
    taken = [panel, *((x - reach, y - reach, x + reach, y + reach) for x, y in points.values())]
    centre = np.mean(list(points.values()), axis=0) if points else (0.0, 0.0)
    for name, point in points.items():
        extent = (draw.textlength(name, font), size * 1.2)
        box = _free_place(point, centre, extent, reach, taken, image.size)
        taken.append(box)
        draw.text(box[:2], name, _WHITE, font, stroke_width=max(2, size // 8), stroke_fill=_BLACK)


def _free_place(
    point: tuple[float, float],
    centre: Sequence[float],
    extent: tuple[float, float],
    reach: float,
    taken: Sequence[Box],
    frame: tuple[int, int],
) -> Box:
    outwards = np.arctan2(point[1] - centre[1], point[0] - centre[0])
    places = [
        _box_at(point, outwards + turn, distance, extent)
        for distance in (1.3 * reach, 2.6 * reach, 4.5 * reach)
        for turn in np.radians((0, 30, -30, 60, -60, 100, -100, 140, -140, 180))
    ]
    return min(places, key=lambda box: _outside(box, frame) + sum(_overlap(box, each) for each in taken))


def _box_at(point: tuple[float, float], angle: float, distance: float, extent: tuple[float, float]) -> Box:
    """Give a box that touches the circle of this radius round the point, in this direction."""
    width, height = extent
    x, y = point[0] + distance * np.cos(angle), point[1] + distance * np.sin(angle)
    left, top = x - width * (1 - np.cos(angle)) / 2, y - height * (1 - np.sin(angle)) / 2
    return left, top, left + width, top + height


def _overlap(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(width, 0.0) * max(height, 0.0)


def _outside(box: Box, frame: tuple[int, int]) -> float:
    """Give how much of a box the frame cuts off, weighed more than any overlap."""
    inside = _overlap(box, (0, 0, *frame))
    return 10 * ((box[2] - box[0]) * (box[3] - box[1]) - inside)


def _draw_panel(
    image: Image.Image,
    assessment: Assessment,
    points: dict[str, tuple[float, float]],
    lines: Sequence[_Line],
) -> Box:
    """Write the numbers into the corner that hides the least; gives where."""
    for size in (max(12, round(max(image.size) / 60)), 12):
        panel = _panel(assessment, lines, size)
        width, height = panel.size
        if width + 2 * size <= image.width and height + 2 * size <= image.height:
            left, top = _quietest_corner(image.size, panel.size, size, list(points.values()))
            under = image.crop((left, top, left + width, top + height))
            ink = panel.convert("L").point(lambda level: 255 if level else 0)
            shade = Image.blend(under, Image.new("RGB", panel.size), _PANEL_OPACITY)
            image.paste(Image.composite(panel, shade, ink), (left, top))
            return left, top, left + width, top + height
    return 0.0, 0.0, 0.0, 0.0


def _quietest_corner(
    frame: tuple[int, int], panel: tuple[int, int], margin: int, points: Sequence[tuple[float, float]]
) -> tuple[int, int]:
    right, bottom = frame[0] - margin - panel[0], frame[1] - margin - panel[1]
    corners = [(margin, margin), (right, margin), (margin, bottom), (right, bottom)]

    def room(corner: tuple[int, int]) -> float:
        """Give the distance to the nearest landmark, up to what is plenty."""
        left, top = corner
        gaps = [
            max(left - x, x - left - panel[0], 0.0) + max(top - y, y - top - panel[1], 0.0) for x, y in points
        ]
        return min([*gaps, 6.0 * margin])

    return max(corners, key=room)


def _panel(assessment: Assessment, lines: Sequence[_Line], size: int) -> Image.Image:
    """Write the panel on black, which becomes the shade."""
    plain, bold, big = typeface(PLAIN, size), typeface(BOLD, size), typeface(BOLD, round(size * 1.7))
    rows = [(text, big, _WHITE) for text in _numbers(assessment)]
    rows += [(text, bold, colour) for text, colour in _verdict(assessment)]
    rows += [(f"— {line.name}", bold, line.colour) for line in lines]
    rows.append((_NOTE, plain, _WHITE))
    pad = round(size * 0.8)
    width = 2 * pad + round(max(font.getlength(text) for text, font, _ in rows))
    panel = Image.new("RGB", (width, 2 * pad + round(sum(1.35 * font.size for _, font, _ in rows))))
    draw, y = ImageDraw.Draw(panel), float(pad)
    for text, font, colour in rows:
        draw.text((pad, y), text, colour, font)
        y += 1.35 * font.size
    return panel


def _numbers(assessment: Assessment) -> list[str]:
    if assessment.vhs is None:
        return []
    vlas = "–" if assessment.vlas is None else f"{assessment.vlas:.1f}"
    return [f"VHS {assessment.vhs:.1f}   VLAS {vlas}"]


def _verdict(assessment: Assessment) -> list[tuple[str, Colour]]:
    if assessment.vhs is None:
        first, _, second = assessment.result_description.partition(" — ")
        return [(part, _TIER_COLOURS[REVIEW]) for part in (first, second) if part]
    return [(f"Confidence: {assessment.model_confidence}", _TIER_COLOURS[assessment.model_confidence])]
