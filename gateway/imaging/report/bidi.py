"""The order in which mixed left-to-right and right-to-left text is drawn (Unicode Annex 9).

Ours, because python-bidi is LGPL and a PDF draws characters in the order it is given.
"""

import unicodedata
from itertools import groupby

_MIRRORED = str.maketrans("()[]{}<>«»‹›≤≥", ")(][}{><»«›‹≥≤")
_NEUTRAL = frozenset(("B", "S", "WS", "ON", "BN"))


def base_level(text: str) -> int:
    """Give the paragraph's direction by its first strong character: 0 left to right, 1 right to left."""
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in ("L", "R", "AL"):
            return int(direction != "L")
    return 0


def has_right_to_left(text: str) -> bool:
    """Tell whether any part of a text runs from right to left."""
    return not text.isascii() and any(unicodedata.bidirectional(c) in ("R", "AL", "AN") for c in text)


def reordered(line: str, base: int) -> str:
    """Put one line of logical text into drawing order, brackets mirrored where they run backwards.

    Texts come without embedding and isolate controls (`text.cleaned` shows those), so the rules for
    explicit levels (X1 to X10) have nothing to do.

    References
    ----------
    Unicode Standard Annex 9, Unicode Bidirectional Algorithm: W1-W7, N0-N2, I1-I2, L1, L2, L4.
    """
    levels = _levels(line, base)
    characters = [c.translate(_MIRRORED) if level % 2 else c for c, level in zip(line, levels, strict=True)]
    for level in range(max(levels, default=0), 0, -1):
        characters, levels = _reversed_at(level, characters, levels)
    return "".join(characters)


def _reversed_at(level: int, characters: list[str], levels: list[int]) -> tuple[list[str], list[int]]:
    """L2: turn round every run at this level or above."""
    pairs = []
    for is_deep, group in groupby(zip(characters, levels, strict=True), key=lambda pair: pair[1] >= level):
        run = list(group)
        pairs += run[::-1] if is_deep else run
    return [c for c, _ in pairs], [at for _, at in pairs]


def _levels(line: str, base: int) -> list[int]:
    types = [unicodedata.bidirectional(character) or "L" for character in line]
    original = list(types)
    _resolve_weak(types, "R" if base else "L")
    _resolve_brackets(line, types, original, base)
    _resolve_neutral(types, base)
    levels = [_implicit(kind, base) for kind in types]
    for index in range(len(line) - 1, -1, -1):  # L1: white space at the end of the line
        if original[index] not in ("WS", "B", "S", "BN"):
            break
        levels[index] = base
    return levels


def _implicit(kind: str, base: int) -> int:
    """I1 and I2."""
    if base % 2 == 0:
        return base + {"R": 1, "AN": 2, "EN": 2}.get(kind, 0)
    return base + (kind in ("L", "EN", "AN"))


def _resolve_weak(types: list[str], start: str) -> None:
    """W1 to W7, in place."""
    previous, strong = start, start
    for index, kind in enumerate(types):
        if kind == "NSM":
            types[index] = kind = previous  # W1
        if kind in ("L", "R", "AL"):
            strong = kind
        if kind == "EN" and strong == "AL":
            types[index] = "AN"  # W2
        previous = kind
    types[:] = ["R" if kind == "AL" else kind for kind in types]  # W3
    for index in range(1, len(types) - 1):
        left, kind, right = types[index - 1 : index + 2]
        if left == right and ((kind == "ES" and left == "EN") or (kind == "CS" and left in ("EN", "AN"))):
            types[index] = left  # W4
    _resolve_terminators(types)
    strong = start
    for index, kind in enumerate(types):
        if kind in ("L", "R"):
            strong = kind
        elif kind == "EN" and strong == "L":
            types[index] = "L"  # W7


def _resolve_terminators(types: list[str]) -> None:
    """W5 and W6: signs such as % follow the number they touch, other separators are neutral."""
    end = 0
    for kind, run in groupby(list(types)):
        begin, end = end, end + len(list(run))
        if kind == "ET":
            beside = types[begin - 1 : begin] + types[end : end + 1]
            types[begin:end] = ["EN" if "EN" in beside else "ON"] * (end - begin)
        elif kind in ("ES", "CS"):
            types[begin:end] = ["ON"] * (end - begin)


def _direction(kind: str) -> str:
    """Numbers count as right to left among neutrals (N1)."""
    return "R" if kind in ("R", "EN", "AN") else kind


def _resolve_brackets(line: str, types: list[str], original: list[str], base: int) -> None:
    """N0: a pair of brackets takes one direction, in place."""
    own = "R" if base else "L"
    for begin, end in _bracket_pairs(line, types):
        inside = {_direction(kind) for kind in types[begin + 1 : end]} & {"L", "R"}
        if not inside:
            continue
        before = next((d for d in map(_direction, reversed(types[:begin])) if d in ("L", "R")), own)
        types[begin] = types[end] = own if own in inside or before not in inside else before
        for at in (begin, end):
            for index in range(at + 1, len(types)):
                if original[index] != "NSM":
                    break
                types[index] = types[at]


def _bracket_pairs(line: str, types: list[str]) -> list[tuple[int, int]]:
    """BD16, for the ASCII brackets."""
    closing = {")": "(", "]": "[", "}": "{"}
    pairs, open_at = [], []
    for index, character in enumerate(line):
        if types[index] != "ON":
            continue
        if character in "([{":
            open_at.append(index)
        elif character in closing:
            matches = [at for at in open_at if line[at] == closing[character]]
            if matches:
                pairs.append((matches[-1], index))
                del open_at[open_at.index(matches[-1]) :]
    return sorted(pairs)


def _resolve_neutral(types: list[str], base: int) -> None:
    """N1 and N2: neutrals between like directions take it, others the paragraph's; in place."""
    own = "R" if base else "L"
    end = 0
    for neutral, run in groupby(list(types), key=lambda kind: kind in _NEUTRAL):
        begin, end = end, end + len(list(run))
        if neutral:
            before = _direction(types[begin - 1]) if begin else own
            after = _direction(types[end]) if end < len(types) else own
            types[begin:end] = [before if before == after else own] * (end - begin)
