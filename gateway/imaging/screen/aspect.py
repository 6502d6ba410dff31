"""The true width / height of a photographed rectangle, from its corners and the focal length."""

import numpy as np

from gateway.imaging.screen.rectify import rectified_size

FILM_DIAGONAL_MM = 43.27
"""Of a 36 × 24 mm film, which 35-mm focal lengths refer to."""
PHONE_FOCAL = 0.76
"""Focal length of a phone's main camera in long sides of the photo: 26 to 27 mm."""
PHOTO_ASPECTS = (1.0, 4 / 3, 3 / 2, 16 / 9, 2.0, 19.5 / 9, 20 / 9)
"""Long / short side of photos as cameras give them, whose middle is the optical axis."""
TOLERANCE = 0.015
PLAUSIBLE = (0.65, 1.55)
"""Corrections beyond what a tilt of 35° can ask for are not believed."""

SKEW_MAX_DEGREES = 3.0
"""Beyond it, corners are not those of a rectangle: of drawn photos with their true corners 99 % stay below
2.5, for all that lenses bend and focal lengths are guessed."""


def focal_px(width: int, height: int, focal_35mm_mm: float | None) -> float | None:
    """Give a photo's focal length in pixels.

    Parameters
    ----------
    width, height
        Of the whole photo in pixels.
    focal_35mm_mm
        As EXIF gives it; None where it does not.

    Returns
    -------
    That of common phones where EXIF gives none; None where the photo has been cropped, too: then its
    middle need not be the optical axis either.
    """
    if focal_35mm_mm:
        return focal_35mm_mm * float(np.hypot(width, height)) / FILM_DIAGONAL_MM
    aspect = max(width, height) / min(width, height)
    if min(abs(aspect / usual - 1) for usual in PHOTO_ASPECTS) > TOLERANCE:
        return None
    return PHONE_FOCAL * max(width, height)


def true_aspect(corners: np.ndarray, width: int, height: int, focal: float) -> float:
    """Give width / height of the rectangle whose picture the corners enclose.

    Parameters
    ----------
    corners
        (4, 2), TL, TR, BR, BL in continuous pixels.
    width, height
        Of the photo; its middle is taken for the optical axis.
    focal
        In pixels.
    """
    across, down = _edges(corners, width, height, focal)
    return float(np.linalg.norm(across) / np.linalg.norm(down))


def tilt_degrees(corners: np.ndarray, width: int, height: int, focal: float) -> float:
    """Give the angle between the optical axis and the rectangle's normal; parameters as `true_aspect`."""
    normal = np.cross(*_edges(corners, width, height, focal))
    return float(np.degrees(np.arccos(min(abs(normal[2]) / np.linalg.norm(normal), 1.0))))


def skew_degrees(corners: np.ndarray, width: int, height: int, focal: float) -> float:
    """Give by how much upper and left edge are not perpendicular in space; parameters as `true_aspect`."""
    across, down = _edges(corners, width, height, focal)
    return float(np.degrees(np.arcsin(abs(across @ down) / np.linalg.norm(across) / np.linalg.norm(down))))


def is_rectangle(corners: np.ndarray, width: int, height: int, focal_35mm_mm: float | None) -> bool:
    """Tell whether corners can be those of a photographed rectangle, such as a film on a screen.

    A side that was found askew spoils the aspect, and with it every measurement, without being far off. Where
    the focal length is unknown, any four corners are taken for a rectangle's.
    """
    focal = focal_px(width, height, focal_35mm_mm)
    with np.errstate(all="ignore"):
        return focal is None or skew_degrees(corners, width, height, focal) <= SKEW_MAX_DEGREES


def _edges(corners: np.ndarray, width: int, height: int, focal: float) -> tuple[np.ndarray, np.ndarray]:
    """Give the upper and the left edge in space, float64 (3,) each, in one unknown scale.

    References
    ----------
    Z. Zhang, L.-W. He, "Whiteboard scanning and image enhancement", Digital Signal Processing 17 (2007),
    equations 11 to 20, with a known focal length: then a frontal view is no special case.
    """
    rays = np.column_stack([(np.asarray(corners, np.float64) - (width / 2, height / 2)) / focal, np.ones(4)])
    top_left, top_right, bottom_right, bottom_left = rays
    diagonal = np.cross(top_left, bottom_right)
    right = np.dot(diagonal, bottom_left) / np.dot(np.cross(top_right, bottom_right), bottom_left)
    down = np.dot(diagonal, top_right) / np.dot(np.cross(bottom_left, bottom_right), top_right)
    return right * top_right - top_left, down * bottom_left - top_left


def aspect_factor(corners: np.ndarray, width: int, height: int, focal_35mm_mm: float | None) -> float:
    """Give what x in the rectified picture must be multiplied by for pixels to be square.

    1 where the focal length is unknown, and where the corners ask for more than a photo can.
    """
    focal = focal_px(width, height, focal_35mm_mm)
    if focal is None:
        return 1.0
    across, down = rectified_size(corners)
    with np.errstate(all="ignore"):
        factor = true_aspect(corners, width, height, focal) * down / across
    return factor if PLAUSIBLE[0] <= factor <= PLAUSIBLE[1] else 1.0
