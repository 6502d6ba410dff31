"""Text from a file made fit to be shown: control characters become visible, accents are composed."""

import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands for every character that cannot be shown."""

_BIDI_CONTROLS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def cleaned(text: str) -> str:
    """Make hidden characters visible and compose the others (NFC).

    Control characters and unpaired surrogates appear as the replacement character, and so do the
    controls of writing direction, which could make an identifier read differently from what it is
    (Unicode Technical Report 36, 2.5).
    """
    if text.isascii() and text.isprintable():
        return text
    return unicodedata.normalize("NFC", "".join(map(_visible, text)))


def _visible(character: str) -> str:
    if character == "\t":
        return " "
    hidden = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
    return REPLACEMENT if hidden or character in _BIDI_CONTROLS else character


def is_invisible(character: str) -> bool:
    """Tell whether a character has no glyph by definition: joiners, variation selectors and the like."""
    code = ord(character)
    return unicodedata.category(character) == "Cf" or 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
