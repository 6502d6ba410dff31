"""What the tests of photographed screens share: photos, and the fake `screen` pipeline that looks at them."""

import json
from dataclasses import replace

import cv2
import numpy as np

from gateway.errors import InvalidImage
from gateway.imaging.errors import ImageError
from gateway.imaging.letterbox import placement
from gateway.imaging.picture import read_picture
from gateway.imaging.screen.locate import Found, locate
from gateway.imaging.screen.steps import describe
from gateway.imaging.vhs.network_input import INPUT_SIZE_PX
from tests.apis.vhs_callers import VALID
from tests.imaging.picture_files import jpeg
from tests.imaging.screen.drawn import agrees, sides

CORNERS = [[137.48, 100.30], [490.50, 81.32], [495.35, 421.38], [154.89, 421.57]]
"""The contract's example, in a photo of 640 by 482 pixels."""
WIDTH, HEIGHT = 640, 482
SHARES = np.array(CORNERS) / (WIDTH, HEIGHT)

GOOD = replace(VALID, pop_detected=True)
"""What is said of a good frame."""


def photo(level: int = 200, corners=CORNERS) -> bytes:
    """Photograph a screen with a texture that no other level gives, as JPEG in colour."""
    picture = np.full((HEIGHT, WIDTH, 3), 20, np.uint8)
    cv2.fillConvexPoly(picture, np.round(corners).astype(np.int32), (level, level // 2, 255 - level // 2))
    noise = np.random.default_rng(level).integers(-9, 9, picture.shape)
    return jpeg((picture + noise).clip(0, 255).astype(np.uint8), quality=92)


class FakeScreens:
    """Answers `screen`: the pipeline's own steps around a network that says what was set.

    Attributes
    ----------
    shares
        Picture to where its screen is, in shares of width and height; others have it at SHARES.
    logits
        Picture to how surely it is a photo of a screen; others are, surely.
    error
        Raised by calls.
    """

    def __init__(self) -> None:
        self.shares: dict[bytes, np.ndarray] = {}
        self.logits: dict[bytes, float] = {}
        self.error: Exception | None = None
        self.seen: list[bytes] = []

    def __call__(self, inputs, parameters):
        (image,) = inputs["image"].flat
        self.seen.append(image)
        if self.error:
            raise self.error
        try:
            document = self._describe(image, inputs["quality"].item())
        except ImageError as error:
            raise InvalidImage(f"in ensemble 'screen', {error}") from error
        return {"screen": np.array([[json.dumps(document).encode()]], np.object_)}

    def _describe(self, image, quality):
        picture = read_picture(image)
        rows, columns = picture.pixels.shape
        corners = self.shares.get(image, SHARES) * (columns, rows)
        square = placement(columns, rows, INPUT_SIZE_PX).to_square(corners) / INPUT_SIZE_PX
        found = Found(
            np.repeat(square[np.newaxis], 5, 0).astype(np.float32),
            np.full((5, 4), 0.9, np.float32),
            np.full(5, self.logits.get(image, 5.0), np.float32),
        )
        located = locate(picture.pixels, picture.colour, found, sides(agrees, logit=5.0)).to_json()
        return describe(picture=picture.pixels, header=picture.header(), located=located, quality=quality)
