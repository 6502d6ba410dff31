"""What is wrong with a photo of a screen, in a sentence for whoever holds the phone."""

from typing import NamedTuple

import cv2
import numpy as np

from gateway.imaging.screen.aspect import PHONE_FOCAL, focal_px, tilt_degrees
from gateway.imaging.screen.quad import signed_area
from gateway.imaging.screen.rectify import rectified

SIDE_PX = 512
"""Side of the square at which a frame is judged."""
BRIGHT, DARK = 250, 5
MID_BAND = (0.06, 0.45)
"""Spatial frequencies in cycles per pixel between anatomy and noise, where moiré stands out."""

AXIS = 0.012
"""Frequencies next to an axis that do not count, in cycles per pixel."""
SHARPNESS_SCALES = (1.0, 2.5)
"""Deviations of the blurs in pixels."""

WHOLE = "Make sure the whole radiograph is visible"
CLOSER = "Move closer"
PARALLEL = "Hold the phone parallel to the screen"
GLARE = "Reduce glare or reflections"
STILL = "Hold still"
FOCUS = "Tap to focus"

AREA_MIN = 0.15
"""Share of the frame below which a step nearer helps."""
TILT_MAX_DEGREES = 25.0
GLARE_MAX = 0.04
"""Share of the film in one saturated patch."""
CLIPPED_MAX = 0.60
"""Share of the film that is nearly white or nearly black."""
MOTION_MAX = 0.03
"""Mean shift of the corners since the frame before, in diagonals."""
SHARPNESS_MIN = 4.5
"""Below it lie 4 % of drawn photos and, of those blurred by 5 of 1280 pixels, two thirds."""
MOIRE_MAX = 25.0
"""Above it lie 1 % of drawn photos and, of films with stripes of 5 % contrast, four fifths."""


class FrameQuality(NamedTuple):
    """Measures of one frame, taken on the straightened film."""

    sharpness: float
    """Fine detail by coarse: variances of the Laplacian at two scales."""
    clipped: float
    """Share of the film that is nearly white or nearly black."""
    glare: float
    """Share of the film in its largest saturated patch."""
    moire: float
    """Highest peak of the spectrum's middle band, by what surrounds it."""
    area: float
    """Share of the frame that the film fills."""
    tilt_degrees: float
    motion: float | None
    """Shift of the corners since the frame before, in diagonals; None for the first."""


def frame_quality(
    grey: np.ndarray,
    corners: np.ndarray,
    *,
    focal_35mm_mm: float | None = None,
    before: np.ndarray | None = None,
) -> FrameQuality:
    """Measure a frame.

    Parameters
    ----------
    grey
        uint8 (rows, columns): the whole photo, upright.
    corners
        (4, 2), TL, TR, BR, BL in continuous pixels.
    focal_35mm_mm
        As EXIF gives it.
    before
        The corners of the session's last frame, in shares of its width and height.
    """
    rows, columns = grey.shape
    film = cv2.resize(rectified(grey, corners), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    focal = focal_px(columns, rows, focal_35mm_mm) or PHONE_FOCAL * max(rows, columns)
    return FrameQuality(
        sharpness=sharpness(film),
        clipped=float(((film > BRIGHT) | (film < DARK)).mean()),
        glare=largest_glare(film),
        moire=moire(film),
        area=signed_area(corners) / (rows * columns),
        tilt_degrees=tilt_degrees(corners, columns, rows, focal),
        motion=None if before is None else motion_of(corners / (columns, rows), before),
    )


def feedback(quality: FrameQuality | None) -> str | None:
    """Give the one instruction that helps most; None where the frame is good.

    Parameters
    ----------
    quality
        Of the frame; None where no screen was found in it.
    """
    if quality is None:
        return WHOLE
    if quality.area < AREA_MIN:
        return CLOSER
    if quality.tilt_degrees > TILT_MAX_DEGREES:
        return PARALLEL
    if quality.motion is not None and quality.motion > MOTION_MAX:
        return STILL
    if quality.glare > GLARE_MAX or quality.clipped > CLIPPED_MAX:
        return GLARE
    if quality.sharpness < SHARPNESS_MIN:
        return FOCUS
    return CLOSER if quality.moire > MOIRE_MAX else None


def sharpness(film: np.ndarray) -> float:
    """Give the variance of the Laplacian after a slight blur by that after a wider one.

    What the picture shows drops out of the ratio, and so does its contrast; by the variance of the picture
    itself a sharp chest with smooth lungs would pass for a blurred hand.
    """
    fine, coarse = (
        float(cv2.Laplacian(cv2.GaussianBlur(film.astype(np.float32), (0, 0), sigma), cv2.CV_32F).var())
        for sigma in SHARPNESS_SCALES
    )
    return fine / max(coarse, 1e-3)


def largest_glare(film: np.ndarray) -> float:
    """Give the share of the film in its largest saturated patch."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((film > BRIGHT).astype(np.uint8))
    return float(stats[1:, cv2.CC_STAT_AREA].max() / film.size) if len(stats) > 1 else 0.0


def moire(film: np.ndarray) -> float:
    """Give the highest peak of the spectrum's middle band by the mean of what surrounds it.

    Stripes make single high peaks; anatomy and noise spread theirs. Both axes are left out, where the
    picture's own edges lie.
    """
    window = np.hanning(SIDE_PX).astype(np.float32)
    power = abs(np.fft.rfft2((film - film.mean()) * np.outer(window, window))) ** 2
    smooth = cv2.GaussianBlur(np.fft.fftshift(power, axes=0).astype(np.float32), (0, 0), 1.2)
    around = cv2.blur(np.log(smooth + 1e-3), (31, 31))
    down = np.fft.fftshift(abs(np.fft.fftfreq(SIDE_PX)))[:, np.newaxis]
    across = np.fft.rfftfreq(SIDE_PX)
    radius = np.hypot(down, across)
    band = (radius > MID_BAND[0]) & (radius < MID_BAND[1]) & (np.minimum(down, across) > AXIS)
    return float(np.sqrt((smooth[band] / np.exp(around[band])).max()))


def motion_of(corners: np.ndarray, before: np.ndarray) -> float:
    """Give the mean shift of the corners between two frames, both in shares of the frame, in diagonals."""
    diagonal = float(np.linalg.norm(np.ptp(corners, axis=0)))
    return float(np.linalg.norm(corners - before, axis=1).mean() / max(diagonal, 1e-9))
