"""What the VHS API's tests share: pictures, assessments, and the fake pipeline that joins them."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gateway.errors import InvalidImage
from gateway.imaging.errors import ImageError
from gateway.imaging.picture import read_picture
from gateway.imaging.png import encode_jpeg, encode_png
from gateway.imaging.vhs.landmarks import LANDMARKS
from gateway.imaging.vhs.result import Assessment, Landmark

RENDERED = encode_png(np.zeros((2, 2), np.uint8))

VALID = Assessment(
    result_code=1,
    image_width=24,
    image_height=20,
    vhs=11.3249,
    vlas=1.8651,
    prediction=tuple(Landmark(name, 0.1 + i / 30, 0.2 + i / 70) for i, name in enumerate(LANDMARKS)),
    model_confidence="optimal",
    spread=0.00234,
    axes_perpendicular=True,
    classifier_confidence=0.98,
    vhs_sd=0.1,
)
"""As the contract's batch example has it."""
REJECTED = Assessment(result_code=6, image_width=24, image_height=20, classifier_confidence=0.793651)
NOT_MEASURABLE = Assessment(result_code=5, image_width=24, image_height=20, classifier_confidence=0.9)
ABNORMAL = Assessment(result_code=0, image_width=24, image_height=20)
NO_VLAS = replace(VALID, result_code=4, vlas=None)
NO_RECTIFICATION = Assessment(result_code=7, image_width=24, image_height=20, pop_detected=True)


def png(level: int) -> bytes:
    """Draw a picture that no other level gives."""
    return encode_png(np.full((20, 24), level, np.uint8))


def jpeg() -> bytes:
    return encode_jpeg(np.full((20, 24), 90, np.uint8), max_side_px=64, quality=90)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def broken_png() -> bytes:
    """A PNG whose header is whole."""
    return png(1)[:-30]


class FakePipeline:
    """Answers `vhs`: decodes what comes and says what was set for it.

    Attributes
    ----------
    assessments
        Picture to what is said about it; others are VALID.
    gate
        Calls wait until it is open; it is, at first.
    held
        Pictures whose calls go on until their deadline.
    error, errors
        Raised by calls, by all or by those of a picture.
    running
        Calls under way.
    """

    def __init__(self, assessments: Mapping[bytes, Assessment] | None = None) -> None:
        self.assessments = dict(assessments or {})
        self.gate = asyncio.Event()
        self.gate.set()
        self.held: set[bytes] = set()
        self.error: Exception | None = None
        self.errors: dict[bytes, Exception] = {}
        self.running = self.most = self.cancelled = 0
        self.seen: list[bytes] = []

    async def __call__(self, inputs, parameters):
        (image,) = inputs["image"].flat
        self.seen.append(image)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
            if image in self.held:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        if error := self.error or self.errors.get(image):
            raise error
        return self._answer(image, inputs["render"].item())

    def _answer(self, image, render):
        try:
            read_picture(image)
        except ImageError as error:
            raise InvalidImage(f"in ensemble 'vhs', {error}") from error
        assessment = self.assessments.get(image, VALID)
        drawn = RENDERED if render and not assessment.rejected else b""
        return {
            "result": np.array([[json.dumps(assessment.to_json()).encode()]], np.object_),
            "rendered_png": np.frombuffer(drawn, np.uint8)[np.newaxis],
        }
