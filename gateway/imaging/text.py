"""Names in any script, made ready to be drawn glyph by glyph from left to right.

A PDF draws characters in the order it is given and joins none. So control characters become visible,
Arabic letters take their joined forms, and right-to-left passages are turned round. Both come straight from
Python's Unicode database: no table to keep up to date, no copyleft dependency (python-bidi is LGPL).
"""

import math
import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands for every character that cannot be shown."""

_ISOLATED, _FINAL, _INITIAL, _MEDIAL = "<isolated>", "<final>", "<initial>", "<medial>"
_LAM, _ALEFS = "0644", ("0622", "0623", "0625", "0627")  # the one ligature that is not optional
_ZERO_WIDTH_JOINER, _TATWEEL = "\u200d", "\u0640"
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


def has_right_to_left(text: str) -> bool:
    """Tell whether any part of a text runs from right to left."""
    return not text.isascii() and any(unicodedata.bidirectional(c) in ("R", "AL", "AN") for c in text)


def hundredths(confidence: float) -> str:
    """Print a confidence with two decimals, cut off: 0.4996 is absent and must not read 0.50."""
    return f"{math.floor(confidence * 100 + 1e-6) / 100:.2f}"


# --- Arabic joining ------------------------------------------------------------------------------


def _joined_forms() -> dict[str, dict[str, str]]:
    """Read the Arabic Presentation Forms backwards: position -> letters -> the form they take."""
    forms: dict[str, dict[str, str]] = {_ISOLATED: {}, _FINAL: {}, _INITIAL: {}, _MEDIAL: {}}
    for code in (*range(0xFB50, 0xFC00), *range(0xFE80, 0xFEFD)):
        position, *letters = unicodedata.decomposition(chr(code)).split() or [""]
        if position in forms and (len(letters) == 1 or (letters[0] == _LAM and letters[1] in _ALEFS)):
            forms[position].setdefault("".join(chr(int(letter, 16)) for letter in letters), chr(code))
    return forms


_FORMS = _joined_forms()


def _joins_next(character: str) -> bool:
    return character in _FORMS[_INITIAL] or character in (_ZERO_WIDTH_JOINER, _TATWEEL)


def _joins_previous(character: str) -> bool:
    return character in _FORMS[_FINAL] or character in (_ZERO_WIDTH_JOINER, _TATWEEL)


def shaped(text: str) -> str:
    """Give Arabic letters the form of their place in the word, in logical order.

    Lam and alef become their obligatory ligature. Marks on letters are passed over.

    References
    ----------
    The Unicode Standard, 9.2 Arabic, cursive joining (rules R1 to R7).
    """
    if not any("\u0600" <= character <= "\u06ff" for character in text):
        return text
    letters, marks = _units(text)
    out = []
    for index, letter in enumerate(letters):
        before = index > 0 and _joins_next(letters[index - 1][-1:]) and len(letters[index - 1]) == 1
        after = index + 1 < len(letters) and _joins_previous(letters[index + 1][0])
        out.append(_form(letter, before, after) + marks[index])
    return "".join(out)


def _units(text: str) -> tuple[list[str], list[str]]:
    """Split a text into letters (lam-alef as one) and the marks that follow each."""
    letters: list[str] = [""]
    marks: list[str] = [""]
    for character in text:
        if unicodedata.category(character) == "Mn":
            marks[-1] += character
        elif letters[-1] + character in _FORMS[_ISOLATED] and not marks[-1]:
            letters[-1] += character
        else:
            letters.append(character)
            marks.append("")
    if not letters[0] and not marks[0]:
        del letters[0], marks[0]
    return letters, marks


def _form(letter: str, before: bool, after: bool) -> str:
    """Choose a letter's form; `before` and `after` tell which neighbours reach out to it."""
    joined_before = before and letter in _FORMS[_FINAL]
    joined_after = after and letter in _FORMS[_INITIAL]
    if joined_before and joined_after:
        return _FORMS[_MEDIAL][letter]
    if joined_before:
        return _FORMS[_FINAL][letter]
    if joined_after:
        return _FORMS[_INITIAL][letter]
    return _FORMS[_ISOLATED].get(letter, letter)
