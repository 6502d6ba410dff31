"""Where a displayed film ends as far as a photo shows it: what is true is what can be seen.

Padding, the collimator's shadow, a viewer's background and its toolbars all look alike in a photo: the same
picture can be each of them. So of several outlines around a film the innermost one that can be seen counts.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from gateway.imaging.screen.quad import edge_lengths

Project = Callable[[np.ndarray], np.ndarray]
"""Maps (N, 2) pixels of the screen to pixels of the photo."""

CLEAR, HIDDEN = 4.0, 2.0
"""Grey levels of the photo from which a step can be seen, and up to which it cannot."""
SHARE = 0.35
"""Share of a side along which there must be such a step."""
NEAR, FAR = 0.006, 0.02
"""From where to where a step is looked for on both sides of a side, in the film's own sides."""
PARTS, PLACES, DEPTHS = 12, 8, 6
"""Parts of a side, places along each, and samples across at each place."""
IN_FRAME = 0.3
"""Share of a side that must lie in the frame for anything to be seen of it."""


def seen_area(grey: np.ndarray, to_photo: Project, outlines: Sequence[np.ndarray]) -> np.ndarray | None:
    """Tell where the film ends: at each side of the innermost outline that can be seen there.

    Parameters
    ----------
    grey
        uint8 (rows, columns): the photo.
    to_photo
        From pixels of the screen.
    outlines
        float64 (4, 2) each, TL, TR, BR, BL in pixels of the screen, from within: of what X-rays reached, of
        the film that is shown, of its viewport.

    Returns
    -------
    float64 (4, 2); None where of some side nobody could say where it is: no outline's step can be seen, or
    one is between seen and not seen.
    """
    size = float(edge_lengths(outlines[1]).min())
    sides = [_seen_side(grey, to_photo, outlines, side, size) for side in range(4)]
    chosen = [side for side in sides if side is not None]
    if len(chosen) < 4:
        return None
    return np.array([_meeting(chosen[side - 1], chosen[side]) for side in range(4)])


def _seen_side(
    grey: np.ndarray, to_photo: Project, outlines: Sequence[np.ndarray], side: int, size: float
) -> np.ndarray | None:
    """Give both ends of a side, float64 (2, 2): top, right, bottom, left; None where nobody could say."""
    last: np.ndarray | None = None
    for outline in outlines:
        ends = outline[[side, (side + 1) % 4]]
        if last is not None and abs(ends - last)[:, 1 - side % 2].max() < FAR * size:
            continue  # they end together
        last, step = ends, _step(grey, to_photo, ends, size)
        if step >= CLEAR:
            return np.asarray(ends)
        if step > HIDDEN:
            return None
    return None


def _meeting(side: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Give where the lines through two sides meet, float64 (2,)."""
    (start, end), (there, beyond) = side, other
    shares = np.linalg.solve(np.column_stack([end - start, there - beyond]), there - start)
    return np.asarray(start + shares[0] * (end - start))


def _step(grey: np.ndarray, to_photo: Project, ends: np.ndarray, size: float) -> float:
    """Give the step of grey that a share of a side shows; infinite where the side lies outside the frame."""
    along = np.linspace(0.03, 0.97, PARTS * PLACES)[:, np.newaxis, np.newaxis]
    depths = np.linspace(NEAR, FAR, DEPTHS) * size
    towards = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    across = np.concatenate([depths, -depths])[:, np.newaxis] * (-towards[1], towards[0])
    points = ends[0] + along * (ends[1] - ends[0]) + across
    found = to_photo(points.reshape(-1, 2)).reshape(points.shape)
    rows, columns = grey.shape
    inside = ((found > 1) & (found < (columns - 1, rows - 1))).all((1, 2))
    if inside.mean() < IN_FRAME:
        return np.inf
    x, y = (np.ascontiguousarray(found[..., axis] - 0.5, np.float32) for axis in (0, 1))
    levels = cv2.remap(grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    steps = levels[:, :DEPTHS].mean(1) - levels[:, DEPTHS:].mean(1)
    parts = np.array([abs(part.mean()) for part in np.array_split(steps[inside], PARTS)])
    return float(np.quantile(parts, 1 - SHARE))
