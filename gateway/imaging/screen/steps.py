"""The pure ends of the screen pipelines: straighten a photo for the landmarks, or say where its screen is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gateway.imaging.screen.aspect import aspect_factor, is_rectangle
from gateway.imaging.screen.frame_quality import feedback, frame_quality
from gateway.imaging.screen.rectify import rectified
from gateway.imaging.vhs.network_input import network_input


class Straightened(NamedTuple):
    """A picture on its way to the landmarks."""

    picture: np.ndarray
    """uint8 (rows, columns): the film alone where it was a photo of a screen, else the picture itself."""
    letterbox: np.ndarray
    """float32 (1, INPUT_SIZE_PX, INPUT_SIZE_PX) of it."""
    header: dict[str, Any]
    """What came, and `pop_detected`; for photos `perspective_failed` too, and where it has not `corners`,
    `corner_certainty` and `aspect`, the true width / height by that of the straightened picture."""


def straighten(
    *,
    picture: np.ndarray,
    letterbox: np.ndarray,
    header: Mapping[str, Any],
    located: Mapping[str, Any],
) -> Straightened:
    """Straighten a photo of a screen; everything else passes through untouched.

    Parameters
    ----------
    picture, letterbox, header
        As `radiograph_decode` gives them.
    located
        As `screen_sides` gives it: `Screen.to_json`.
    """
    if not located["is_photo"]:
        return Straightened(picture, letterbox, {**header, "pop_detected": False})
    view = picture.shape[1], picture.shape[0], header.get("focal_35mm_mm")
    corners = _rectangle(located["corners"], view)
    about: dict[str, Any] = {"pop_detected": True, "perspective_failed": corners is None}
    if corners is None:
        return Straightened(picture, letterbox, {**header, **about})
    film = rectified(picture, corners)
    about |= {
        "width": film.shape[1],
        "height": film.shape[0],
        "corners": _in_file(corners, header),
        "corner_certainty": located["certainty"],
        "aspect": aspect_factor(corners, *view),
    }
    return Straightened(film, network_input(film), {**header, **about})


def _rectangle(corners: list[list[float]] | None, view: tuple[int, int, float | None]) -> np.ndarray | None:
    """Take corners that a measurement can rely on, in a photo of that width, height and focal length."""
    found = None if corners is None else np.array(corners, np.float64)
    return found if found is not None and is_rectangle(found, *view) else None


def describe(
    *, picture: np.ndarray, header: Mapping[str, Any], located: Mapping[str, Any], quality: bool
) -> dict[str, Any]:
    """Say where the screen is in a picture.

    Parameters
    ----------
    picture, header
        As `radiograph_decode` gives them.
    located
        As `screen_sides` gives it: `Screen.to_json`.
    quality
        Judge the frame too, for whoever holds the phone.

    Returns
    -------
    What was located, with the corners in pixels of the file, upright, and `file_size` (width and height,
    upright); with `quality` its measures or None, and `feedback`.
    """
    corners = None if located["corners"] is None else np.array(located["corners"], np.float64)
    document = {**located, "file_size": header["file_size"]}
    if corners is not None:
        document["corners"] = _in_file(corners, header)
    if quality:
        measured = None
        if corners is not None and located["is_photo"]:
            measured = frame_quality(picture, corners, focal_35mm_mm=header.get("focal_35mm_mm"))
        document["quality"] = None if measured is None else measured._asdict()
        document["feedback"] = feedback(measured)
    return document


def _in_file(corners: np.ndarray, header: Mapping[str, Any]) -> list[list[float]]:
    """Give the corners in pixels of the file, of which the picture can be a smaller copy."""
    return (corners * header.get("reduction", 1)).tolist()  # type: ignore[no-any-return]
