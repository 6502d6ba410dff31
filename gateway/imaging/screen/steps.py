"""The pure ends of the screen pipelines: straighten a photo for the landmarks, or say where its screen is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gateway.imaging.screen.aspect import aspect_factor
from gateway.imaging.screen.frame_quality import feedback, frame_quality
from gateway.imaging.screen.locate import Found, Screen, locate
from gateway.imaging.screen.rectify import rectified
from gateway.imaging.vhs.network_input import INPUT_SIZE_PX, network_input


class Straightened(NamedTuple):
    """A picture on its way to the landmarks."""

    picture: np.ndarray
    """uint8 (rows, columns): the film alone where it was a photo of a screen, else the picture itself."""
    letterbox: np.ndarray
    """float32 (1, INPUT_SIZE_PX, INPUT_SIZE_PX) of it."""
    header: dict[str, Any]
    """What came, and `pop_detected`; for photos `perspective_failed` too, and `corners`, `corner_spread`
    and `aspect`, the true width / height by that of the straightened picture."""


def straighten(
    *,
    picture: np.ndarray,
    letterbox: np.ndarray,
    header: Mapping[str, Any],
    fold_corners: np.ndarray,
    fold_corner_peaks: np.ndarray,
    fold_screen: np.ndarray,
) -> Straightened:
    """Straighten a photo of a screen; everything else passes through untouched.

    Parameters
    ----------
    picture, letterbox, header
        As `radiograph_decode` gives them.
    fold_corners, fold_corner_peaks, fold_screen
        As `screen_corners` gives them.
    """
    screen = locate(picture, Found(fold_corners, fold_corner_peaks, fold_screen), INPUT_SIZE_PX)
    if not screen.is_photo:
        return Straightened(picture, letterbox, {**header, "pop_detected": False})
    about: dict[str, Any] = {
        "pop_detected": True,
        "corner_spread": screen.spread,
        "perspective_failed": bool(screen.fault),
    }
    if screen.fault is not None:
        return Straightened(picture, letterbox, {**header, **about})
    film = rectified(picture, screen.corners)
    about |= {
        "width": film.shape[1],
        "height": film.shape[0],
        "corners": _in_file(screen, header),
        "aspect": aspect_factor(
            screen.corners, picture.shape[1], picture.shape[0], header.get("focal_35mm_mm")
        ),
    }
    return Straightened(film, network_input(film), {**header, **about})


def describe(
    *,
    picture: np.ndarray,
    header: Mapping[str, Any],
    fold_corners: np.ndarray,
    fold_corner_peaks: np.ndarray,
    fold_screen: np.ndarray,
    quality: bool,
) -> dict[str, Any]:
    """Say where the screen is in a picture.

    Parameters
    ----------
    picture, header
        As `radiograph_decode` gives them.
    fold_corners, fold_corner_peaks, fold_screen
        As `screen_corners` gives them.
    quality
        Judge the frame too, for whoever holds the phone.

    Returns
    -------
    `probability`, `is_photo`, `corners` (four pairs in pixels of the file, upright; None where there are
    none to be used), `spread`, `peak`, `fault` and `file_size` (width and height, upright); with `quality`
    its measures or None, and `feedback`.
    """
    screen = locate(picture, Found(fold_corners, fold_corner_peaks, fold_screen), INPUT_SIZE_PX)
    document = {**screen.to_json(), "file_size": header["file_size"]}
    if screen.fault is None:
        document["corners"] = _in_file(screen, header)
    if quality:
        measured = None
        if screen.fault is None and screen.is_photo:
            measured = frame_quality(picture, screen.corners, focal_35mm_mm=header.get("focal_35mm_mm"))
        document["quality"] = None if measured is None else measured._asdict()
        document["feedback"] = feedback(measured)
    return document


def _in_file(screen: Screen, header: Mapping[str, Any]) -> list[list[float]]:
    """Give the corners in pixels of the file, of which the picture can be a smaller copy."""
    return (screen.corners * header.get("reduction", 1)).tolist()  # type: ignore[no-any-return]
