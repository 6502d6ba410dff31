"""Pictures through the `vhs` pipeline: each waits its turn, several of one request are in work at a time."""

import asyncio
import functools
import json
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np

from gateway.apis.vhs import schema
from gateway.apis.vhs.canary import canary_picture
from gateway.apis.vhs.photos import Bytes
from gateway.errors import InferenceFailed, InvalidImage, ModelUnavailable
from gateway.imaging.errors import ImageError, TooManyPixels, UnsupportedFormat
from gateway.imaging.picture import probe
from gateway.imaging.vhs.result import DESCRIPTIONS, PERSPECTIVE_FAILED, Assessment
from gateway.triton.admission import Admission
from gateway.triton.client import TritonClient
from gateway.web.mount import request_id

logger = logging.getLogger(__name__)

T = TypeVar("T")

MODEL = "vhs"
CANARY_TIMEOUT_SECONDS = 10.0


class Reading(NamedTuple):
    """What the pipeline says about one picture."""

    assessment: Assessment
    rendered_png: bytes
    """Empty unless it was asked for and there is something to draw."""


class Pipeline:
    """The `vhs` ensemble behind its turnstile.

    Parameters
    ----------
    admission
        The turnstile of `vhs`; it says, too, how many pictures of one request are in work at a time.
    takes_photos
        Whether photos of screens are measured; else that is what is said about them.

    Attributes
    ----------
    on_failure
        Called when the pipeline itself, not the picture, was at fault.
    """

    def __init__(self, triton: TritonClient, admission: Admission, *, takes_photos: bool = True) -> None:
        self._triton = triton
        self._takes_photos = takes_photos
        self._admission = admission
        self.on_failure: Callable[[], None] = lambda: None

    async def assess(self, photo: Bytes, *, deadline: float, render: bool = False) -> Reading:
        """Assess one picture.

        Parameters
        ----------
        deadline
            On the event loop's clock.

        Raises
        ------
        InvalidImage
            It is none that can be assessed, in the words for its sender.
        InferenceFailed, ModelUnavailable, InferenceTimeout
            No assessment came.
        """
        require_picture(bytes(photo))
        left = deadline - asyncio.get_running_loop().time()
        async with self._admission.turn(timeout_seconds=left) as seconds:
            return await self._infer(bytes(photo), render=render, timeout_seconds=seconds)

    def assess_all(
        self, photos: Iterable[Bytes], *, deadline: float
    ) -> AsyncGenerator["Reading | InvalidImage", None]:
        """Assess a request's pictures, several at a time, and give each in its order.

        What cannot be assessed is given as the error that says so; any other error is raised. Closing
        this generator takes back what is in work.
        """

        async def assess(photo: Bytes) -> Reading | InvalidImage:
            try:
                return await self.assess(photo, deadline=deadline)
            except InvalidImage as error:
                return error

        calls = (functools.partial(assess, photo) for photo in photos)
        return in_order(calls, at_once=self._admission.in_flight)

    async def canary(self) -> None:
        """Send the known picture; see `gateway.triton.canary`."""
        reading = await self._infer(canary_picture(), render=False, timeout_seconds=CANARY_TIMEOUT_SECONDS)
        if reading.assessment.result_code not in DESCRIPTIONS:
            raise InferenceFailed("the canary picture came back without a result")

    async def _infer(self, image: bytes, *, render: bool, timeout_seconds: float) -> Reading:
        try:
            outputs = await self._triton.infer(
                MODEL,
                {"image": np.array([[image]], np.object_), "render": np.array([[render]])},
                request_id=request_id.get(),
                timeout_seconds=timeout_seconds,
            )
        except InvalidImage as error:
            # What came instead of what was expected is the picture's own, and may be anything.
            logger.info("picture refused: %s", error.message.partition(", came ")[0])
            raise InvalidImage(schema.INVALID_IMAGE) from error
        except (InferenceFailed, ModelUnavailable):
            self.on_failure()
            raise
        assessment = Assessment.from_json(json.loads(outputs["result"].item()))
        if assessment.pop_detected and not self._takes_photos:
            return Reading(_not_straightened(assessment), b"")
        return Reading(assessment, outputs["rendered_png"].tobytes())


def _not_straightened(photo: Assessment) -> Assessment:
    return Assessment(PERSPECTIVE_FAILED, photo.image_width, photo.image_height, pop_detected=True)


def require_picture(image: bytes) -> None:
    """Refuse by its header what need not bother Triton."""
    try:
        probe(image)
    except UnsupportedFormat as error:
        raise InvalidImage(schema.UNSUPPORTED_FORMAT) from error
    except TooManyPixels as error:
        raise InvalidImage(schema.TOO_MANY_PIXELS) from error
    except ImageError as error:
        raise InvalidImage(schema.INVALID_IMAGE) from error


async def in_order(calls: Iterable[Callable[[], Awaitable[T]]], *, at_once: int) -> AsyncGenerator[T, None]:
    """Make calls, so many ahead of the one whose result is next; what is ahead at the end is cancelled."""
    left = iter(calls)
    tasks = deque(asyncio.ensure_future(call()) for call in islice(left, at_once))
    try:
        while tasks:
            result = await tasks[0]
            tasks.popleft()
            tasks.extend(asyncio.ensure_future(call()) for call in islice(left, 1))
            yield result
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
