"""The heatmap: where on the film the present findings are, on one scale for all films."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gateway.imaging.chest_xray import FINDINGS, Finding, calibrate, sigmoid
from gateway.imaging.lettering import BOLD, PLAIN, typeface
from gateway.imaging.radiograph import film_box
from gateway.imaging.wording import hundredths

MAX_ALPHA = 0.5
"""Opacity of the tint at an activation of 1: the film stays visible under the hottest place."""

_WORK_SIDE_PX = 512  # the maps are 7 to 32 cells wide: finer than this the eye sees no difference
_MIN_SIDE_PX = 200  # below, no legible legend fits
_MIN_FONT_PX = 11
_PANEL_OPACITY = 0.72
_SHADES = np.linspace(16, 236, 256).astype(np.uint8)  # turbo without its ends, nearly black both
_COLOURS = cv2.applyColorMap(_SHADES, cv2.COLORMAP_TURBO)[:, 0]  # (256, 3) BGR
_LEVELS = np.arange(256) / 255
_LEVELS[:6] = 0  # under 2 % nothing is drawn: cubic interpolation overshoots by 1 %
_TINT = np.rint(_COLOURS * _LEVELS[:, None] * MAX_ALPHA).astype(np.uint8)  # the colour times its alpha
_FILM_SHARE = np.rint(255 * (1 - MAX_ALPHA * _LEVELS)).astype(np.uint8)  # 1 - alpha, of 255
_WATERMARK = "AI generated – not for diagnosis"
_NOTHING_FOUND = "No finding above threshold"


def heatmap_overlay(
    source: NDArray[np.uint8],
    activation_maps: NDArray[np.float32],
    findings: Sequence[Finding],
    *,
    thresholds: Sequence[float] | None = None,
    legend: bool = True,
) -> NDArray[np.uint8]:
    """Tint a film where its present findings are.

    The scale is absolute: an activation is the sigmoid of the map, so the same colour means the same on
    every film. Stretching each map to its own range would paint hot spots on normal films
    (PMC6358056, figure legend).

    Parameters
    ----------
    source
        uint8, (rows, columns), the film as displayed.
    activation_maps
        float32, (12, h, w), logits in the order of `FINDINGS`, laid over the centrally padded square
        of the film.
    findings
        The result. Only present findings are shown; of overlapping ones the stronger wins.
    thresholds
        Per finding, in the order of `FINDINGS`: the sigmoid probability of its operating point, which is
        shown as 0.5. None if the maps are calibrated.
    legend
        Whether to draw the panel. It is left out of images that cannot hold it.

    Returns
    -------
    uint8, (rows, columns, 3), BGR.
    """
    shown = _in_order_of_weight(findings)
    film = np.asarray(cv2.cvtColor(source, cv2.COLOR_GRAY2BGR), np.uint8)
    combined = np.zeros((1, 1), np.float32)
    if shown:
        activations = _activations(activation_maps, shown, thresholds)
        combined = _over_film(activations.max(axis=0), source.shape)
        film = _tinted(source, combined)
        _draw_contour(film, _over_film(activations[0], source.shape))
    if legend and min(source.shape) >= _MIN_SIDE_PX:
        _draw_legend(film, combined, shown)
    return film


def _in_order_of_weight(findings: Sequence[Finding]) -> list[Finding]:
    """Keep what is present: Tuberculosis first, then by confidence."""
    present = [finding for finding in findings if finding.presence]
    return sorted(present, key=lambda finding: (finding.name != FINDINGS[0], -finding.confidence))


def _activations(
    maps: NDArray[np.float32], shown: Sequence[Finding], thresholds: Sequence[float] | None
) -> NDArray[np.float32]:
    """Turn the shown findings' logits into activations from 0 to 1, float32, (shown, h, w)."""
    rows = [FINDINGS.index(finding.name) for finding in shown]
    logits = np.nan_to_num(maps[rows].astype(np.float32), nan=-30, posinf=30, neginf=-30).clip(-30, 30)
    probabilities = sigmoid(logits)
    if thresholds is None:
        return probabilities
    points = np.array([thresholds[row] for row in rows], np.float32)[:, None, None]
    return calibrate(probabilities, points)


def _over_film(activation: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Interpolate an activation at working size, cut to the film inside its padded square.

    Cubic, pixel centres on pixel centres; float32 in 0 to 1.
    """
    rows, columns = shape
    top, left, bottom, right = film_box(rows, columns)
    scale = min(1.0, _WORK_SIDE_PX / max(rows, columns))
    height, width = max(1, round(rows * scale)), max(1, round(columns * scale))
    cells_y, cells_x = activation.shape
    step_y, step_x = (bottom - top) * cells_y / height, (right - left) * cells_x / width
    first_y, first_x = top * cells_y + step_y / 2 - 0.5, left * cells_x + step_x / 2 - 0.5
    to_cells = np.array([[step_x, 0, first_x], [0, step_y, first_y]], np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    smooth = cv2.warpAffine(
        activation.astype(np.float32), to_cells, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return smooth.clip(0, 1)


def _tinted(source: NDArray[np.uint8], activation: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Blend film and colour in 8-bit integers; the tables hold each level's share of both."""
    level = np.rint(activation * 255).astype(np.uint8)
    size = (source.shape[1], source.shape[0])
    tint = cv2.resize(_TINT[level], size, interpolation=cv2.INTER_LINEAR)
    film_share = cv2.resize(_FILM_SHARE[level], size, interpolation=cv2.INTER_LINEAR)
    film = cv2.multiply(source, film_share, scale=1 / 255)
    return np.asarray(cv2.add(cv2.cvtColor(film, cv2.COLOR_GRAY2BGR), tint), np.uint8)


def _draw_contour(film: NDArray[np.uint8], activation: NDArray[np.float32]) -> None:
    """Draw where the top finding reaches its operating point."""
    rows, columns = film.shape[:2]
    scale = np.array([columns / activation.shape[1], rows / activation.shape[0]])
    at_or_above = (activation >= 0.5).astype(np.uint8)
    outlines, _ = cv2.findContours(at_or_above, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    thickness = max(1, round(max(rows, columns) / 600))
    for outline in outlines:
        points = (_smoothed(outline[:, 0].astype(np.float64)) + 0.5) * scale - 0.5
        fixed = np.rint(points * 16).astype(np.int32)[:, None]  # polylines takes 4 fractional bits
        cv2.polylines(film, [fixed], True, (255, 255, 255), thickness, cv2.LINE_AA, 4)


def _smoothed(outline: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average a closed outline's neighbours, so that working pixels leave no steps."""
    reach = min(3, len(outline) // 8)
    rolled = [np.roll(outline, shift, axis=0) for shift in range(-reach, reach + 1)]
    return np.asarray(np.mean(rolled, axis=0))


class _Panel(NamedTuple):
    """A legend before it is laid on a film."""

    ink: NDArray[np.uint8]
    """uint8, (height, width), coverage of the white text."""
    bar: tuple[int, int, int, int]
    """Row, column, height, width of the colour bar; of no size where nothing is shown."""


def _draw_legend(film: NDArray[np.uint8], activation: NDArray[np.float32], shown: Sequence[Finding]) -> None:
    rows, columns = film.shape[:2]
    for font_px in (max(_MIN_FONT_PX, round(min(rows, columns) / 46)), _MIN_FONT_PX):
        panel = _panel(tuple((f.name, hundredths(f.confidence)) for f in shown), font_px)
        margin = font_px
        height, width = panel.ink.shape
        if height + 2 * margin <= rows and width + 2 * margin <= columns:
            top, left = _quietest_corner(activation, film.shape, panel.ink.shape, margin)
            _lay_panel(film[top : top + height, left : left + width], panel)
            return


def _quietest_corner(
    activation: NDArray[np.float32], film_shape: tuple[int, ...], panel_shape: tuple[int, ...], margin: int
) -> tuple[int, int]:
    """Give the corner in which the panel hides no or the least heat; preferably the lower left."""
    rows, columns = film_shape[:2]
    height, width = panel_shape
    bottom, right = rows - margin - height, columns - margin - width
    corners = [(bottom, margin), (bottom, right), (margin, margin), (margin, right)]

    def hidden(corner: tuple[int, int]) -> float:
        to_y, to_x = activation.shape[0] / rows, activation.shape[1] / columns
        y, x = int(corner[0] * to_y), int(corner[1] * to_x)
        part = activation[y : y + int(height * to_y) + 1, x : x + int(width * to_x) + 1]
        return round(2 * float(part.max(initial=0))) / 2  # 0 where nothing above a quarter is hidden

    return min(corners, key=hidden)


def _lay_panel(target: NDArray[np.uint8], panel: _Panel) -> None:
    darkened = cv2.convertScaleAbs(target, alpha=1 - _PANEL_OPACITY, beta=0)
    ink = cv2.cvtColor(panel.ink, cv2.COLOR_GRAY2BGR)
    target[:] = cv2.add(cv2.multiply(darkened, 255 - ink, scale=1 / 255), ink)
    y, x, height, width = panel.bar
    if width:
        target[y : y + height, x : x + width] = _COLOURS[np.linspace(0, 255, width).astype(int)]


@lru_cache(maxsize=64)
def _panel(lines: tuple[tuple[str, str], ...], font_px: int) -> _Panel:
    """Set the legend's text; colours come when it is laid on a film."""
    text, bold = typeface(PLAIN, font_px), typeface(BOLD, font_px)
    pad, line = round(font_px * 0.8), round(font_px * 1.4)
    wanted = [_WATERMARK, _NOTHING_FOUND] + [f"{name}   {score}" for name, score in lines]
    width = round(max(bold.getlength(words) for words in wanted)) + 2 * pad
    height = 2 * pad + line * (len(lines) + 3 if lines else 2)
    canvas = Image.new("L", (width, height))
    draw = ImageDraw.Draw(canvas)
    y = pad
    if not lines:
        draw.text((pad, y), _NOTHING_FOUND, 255, bold)
        y += line
    for number, (name, score) in enumerate(lines):
        font = bold if number == 0 else text
        draw.text((pad, y), name, 255, font)
        draw.text((width - pad, y), score, 255, font, anchor="ra")
        y += line
    bar = (0, 0, 0, 0)
    if lines:
        bar = (y + line // 4, pad, line // 2, width - 2 * pad)
        _draw_ticks(draw, bar, text)
        y += 2 * line
    draw.text((pad, y), _WATERMARK, 255, text)
    return _Panel(np.asarray(canvas), bar)


def _draw_ticks(
    draw: ImageDraw.ImageDraw, bar: tuple[int, int, int, int], font: ImageFont.FreeTypeFont
) -> None:
    y, x, height, width = bar
    for share, label, anchor in ((0.0, "0", "la"), (0.5, "0.5", "ma"), (1.0, "1", "ra")):
        at = x + round(share * (width - 1))
        draw.line((at, y + height, at, y + height + height // 3), 255)
        draw.text((at, y + height + height // 3), label, 255, font, anchor=anchor)
