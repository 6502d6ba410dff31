"""Text of any script on a PDF canvas: a font for each character, lines that fit, glyphs embedded."""

import re
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from reportlab import rl_config
from reportlab.lib.colors import Color
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from gateway.imaging.report.arabic import shaped
from gateway.imaging.report.bidi import base_level, has_right_to_left, reordered
from gateway.imaging.report.text import REPLACEMENT, cleaned, is_invisible

REGULAR, BOLD, FALLBACK = "DejaVuSans", "DejaVuSans-Bold", "DroidSansFallback"
_FOLDER = Path(__file__).parents[1] / "fonts"
_ELLIPSIS = "…"


class Line(NamedTuple):
    """One line, ready to be drawn."""

    logical: str
    """As read, Arabic letters in their joined forms."""
    base: int
    """0 where the paragraph runs from left to right, 1 where from right to left."""


@cache
def fonts() -> dict[str, TTFont]:
    """Load and register the fonts, once per process.

    DejaVu Sans has Latin, Greek, Cyrillic, Hebrew, Arabic and more; Droid Sans Fallback has Chinese,
    Japanese and Korean. Both have the TrueType outlines that reportlab embeds in subsets.
    """
    rl_config.useA85 = 0  # binary streams: text streams would be a quarter larger, thumbnails included
    loaded = {
        name: TTFont(name, _FOLDER / f"{name}.ttf", shapable=False) for name in (REGULAR, BOLD, FALLBACK)
    }
    for font in loaded.values():
        pdfmetrics.registerFont(font)
    return loaded


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Measure shaped text, in points."""
    return sum(_glyph(character, bold)[2] for character in text) * size / 1000


def line_of(text: str) -> Line:
    """Make a single line of a text."""
    return Line(shaped(cleaned(text)), base_level(text))


def wrapped(text: str, size: float, width: float, *, bold: bool = False, max_lines: int = 99) -> list[Line]:
    """Break a text into lines no wider than a column.

    Lines break at spaces; a word longer than a line (an identifier, Chinese) breaks anywhere.

    Parameters
    ----------
    text
        Any string.
    size, width
        Font size and column width, in points.
    bold
        Measure in the bold font.
    max_lines
        What does not fit into these is replaced by an ellipsis.

    Returns
    -------
    At least one line.
    """
    lines = [""]
    for word in re.findall(r"\S+\s*|\s+", shaped(cleaned(text))):
        if lines[-1] and text_width(lines[-1] + word.rstrip(), size, bold=bold) > width:
            lines.append("")
        pieces = _pieces(word, size, width, bold)
        lines[-1] += pieces[0]
        lines += pieces[1:]
    if len(lines) > max_lines:
        rest = "".join(lines[max_lines - 1 :])
        lines = [*lines[: max_lines - 1], _shortened(rest, size, width, bold)]
    base = base_level(text)
    return [Line(line.rstrip() if len(lines) > 1 else line, base) for line in lines]


def _pieces(word: str, size: float, width: float, bold: bool) -> list[str]:
    """Cut a word that no line can hold."""
    pieces, room = [""], width
    for character in word:
        advance = text_width(character, size, bold=bold)
        if advance > room and pieces[-1] and not character.isspace():
            pieces.append("")
            room = width
        pieces[-1] += character
        room -= advance
    return pieces


def _shortened(line: str, size: float, width: float, bold: bool) -> str:
    return _pieces(line, size, width - text_width(_ELLIPSIS, size, bold=bold), bold)[0] + _ELLIPSIS


def draw_line(
    canvas: Canvas, x: float, y: float, line: Line, size: float, *, bold: bool = False, colour: Color
) -> None:
    """Draw one line from `x` on the base line `y`, in points.

    Right-to-left text is drawn in the order of its glyphs from the left, without ActualText: readers turn
    it back by themselves (poppler, pypdf), and poppler would turn an ActualText round as well.
    """
    runs_backwards = line.base or has_right_to_left(line.logical)
    drawn = reordered(line.logical, line.base) if runs_backwards else line.logical
    glyphs = [_glyph(character, bold) for character in drawn]
    text = canvas.beginText(x, y)
    text.setFillColor(colour)
    for name, run in groupby((glyph for glyph in glyphs if glyph[1]), key=lambda glyph: glyph[0]):
        text.setFont(name, size)
        text.textOut("".join(glyph[1] for glyph in run))
    canvas.drawText(text)


@cache
def _covered(name: str) -> dict[int, int]:
    """Give a font's characters and their widths, in thousandths of the font size."""
    face = fonts()[name].face
    return {code: face.getCharWidth(code) for code in face.charToGlyph}


_glyphs: dict[tuple[str, bool], tuple[str, str, float]] = {}


def _glyph(character: str, bold: bool) -> tuple[str, str, float]:
    """Choose font, character to draw and its width; an invisible character draws nothing."""
    return _glyphs.get((character, bold)) or _glyphs.setdefault((character, bold), _chosen(character, bold))


def _chosen(character: str, bold: bool) -> tuple[str, str, float]:
    own = BOLD if bold else REGULAR
    if is_invisible(character):
        return own, "", 0.0
    for name in (own, FALLBACK):
        width = _covered(name).get(ord(character))
        if width is not None:
            return name, character, width
    return own, REPLACEMENT, _covered(own)[ord(REPLACEMENT)]
