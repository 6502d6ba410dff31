"""The card's contact sheet: photos of screens with what is true and what was found."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tools.train.screen.evaluate import Judged

TILE_PX = 240
TRUE, FOUND, LABEL = (60, 200, 60), (40, 40, 240), (0, 230, 255)


def contact_sheet(judged: Sequence[Judged], path: Path, *, columns: int = 6, rows: int = 5) -> None:
    """Write the worst third, and of the others every so many, as one JPEG: green is true, red was found.

    Parameters
    ----------
    judged
        Photos of screens and what was found in them.
    path
        Ends with .jpg.
    columns, rows
        Of tiles.
    """
    ranked = sorted(judged, key=lambda each: each.jaccard)
    count = min(columns * rows, len(ranked))
    worst, others = ranked[: count // 3], ranked[count // 3 :]
    spread = np.linspace(0, len(others) - 1, count - len(worst)).astype(int)
    tiles = [_tile(each) for each in (*worst, *(others[index] for index in spread))]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    bands = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    cv2.imwrite(str(path), np.vstack(bands), [cv2.IMWRITE_JPEG_QUALITY, 72])


def _tile(judged: Judged) -> np.ndarray:
    picture = cv2.cvtColor(judged.photo.picture, cv2.COLOR_GRAY2BGR)
    scale = TILE_PX / max(picture.shape)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.full((TILE_PX, TILE_PX, 3), 20, np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small
    for corners, colour in ((judged.photo.corners, TRUE), (judged.screen.corners, FOUND)):
        outline = np.round((corners * scale - 0.5) * 16).astype(np.int32)
        cv2.polylines(tile, [outline], True, colour, 1, cv2.LINE_AA, 4)
    verdict = "" if judged.screen.is_photo else " missed"
    verdict += "" if judged.screen.fault is None else " refused"
    where = (4, TILE_PX - 6)
    cv2.putText(
        tile, f"{judged.jaccard:.3f}{verdict}", where, cv2.FONT_HERSHEY_SIMPLEX, 0.45, LABEL, 1, cv2.LINE_AA
    )
    return tile
