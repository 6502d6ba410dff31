"""Where a displayed film ends as far as a photo shows it: what is true is what can be seen."""

from collections.abc import Callable

import cv2
import numpy as np

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


def seen_area(
    grey: np.ndarray, to_photo: Project, film: np.ndarray, viewport: np.ndarray
) -> np.ndarray | None:
    """Tell where the film ends: at each side of its own that can be seen, else where its viewport ends.

    Parameters
    ----------
    grey
        uint8 (rows, columns): the photo.
    to_photo
        From pixels of the screen.
    film, viewport
        float64 (4,): left, top, right, bottom of what is shown of the film, and of its viewport, in pixels
        of the screen.

    Returns
    -------
    float64 (4,); None where of some side nobody could say where it is: neither step can be seen, or the
    film's own is between seen and not seen.
    """
    size = min(film[2] - film[0], film[3] - film[1])
    area = film.copy()
    for side in range(4):
        step = _step(grey, to_photo, film, side, size)
        if step >= CLEAR:
            continue
        if abs(viewport[side] - film[side]) < FAR * size:  # they end together
            return None
        if step > HIDDEN or _step(grey, to_photo, viewport, side, size) < CLEAR:
            return None
        area[side] = viewport[side]
    return area


def _step(grey: np.ndarray, to_photo: Project, box: np.ndarray, side: int, size: float) -> float:
    """Give the step of grey that a share of a side shows; infinite where the side lies outside the frame."""
    along = np.linspace(0.03, 0.97, PARTS * PLACES)
    axis = side % 2
    start, end = box[1 - axis], box[3 - axis]
    depths = np.linspace(NEAR, FAR, DEPTHS) * size
    across = box[side] + np.concatenate([depths, -depths])
    points = np.empty((len(along), len(across), 2))
    points[..., axis], points[..., 1 - axis] = across, (start + along * (end - start))[:, np.newaxis]
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
