"""The fonts of the pictures that are drawn here."""

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

PLAIN, BOLD = "DejaVuSans.ttf", "DejaVuSans-Bold.ttf"


@lru_cache(maxsize=32)
def typeface(name: str, size_px: int) -> ImageFont.FreeTypeFont:
    """Load one of the fonts that lie in `fonts`."""
    return ImageFont.truetype(Path(__file__).parent / "fonts" / name, size_px)
