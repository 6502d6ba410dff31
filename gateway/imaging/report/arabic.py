"""Arabic letters in their joined forms, straight from Python's Unicode database."""

import unicodedata

_ISOLATED, _FINAL, _INITIAL, _MEDIAL = "<isolated>", "<final>", "<initial>", "<medial>"
_LAM, _ALEFS = "0644", ("0622", "0623", "0625", "0627")  # the one ligature that is not optional
_ZERO_WIDTH_JOINER, _TATWEEL = "\u200d", "\u0640"


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
