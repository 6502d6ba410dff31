"""Encoded photos to encoded films: what `/v3/rectify` and `/v3/preprocess` answer with."""

import numpy as np
import simplejpeg

from gateway.imaging.picture import read_colour
from gateway.imaging.screen.rectify import checked_corners, rectified

JPEG_QUALITY = 95
DECIMALS = 2
"""Of corners in an answer."""


def rectified_jpeg(data: bytes, corners: object) -> bytes:
    """Straighten a photo, in colour.

    Parameters
    ----------
    data
        A JPEG or PNG.
    corners
        Four pairs [x, y] in pixels of the upright photo: TL, TR, BR, BL.

    Raises
    ------
    InvalidCorners
        See `checked_corners`.
    ImageError
        Not a picture; the sentence says why.
    """
    picture = read_colour(data)
    film = rectified(picture, checked_corners(corners, picture.shape[1], picture.shape[0]))
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(film), quality=JPEG_QUALITY, colorspace="BGR"))


def answered(corners: list[list[float]]) -> list[list[float]]:
    """Round corners as they are answered; `/v3/preprocess` straightens with these, as a caller would."""
    return [[round(value, DECIMALS) for value in pair] for pair in corners]
