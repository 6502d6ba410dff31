"""Photos of screens: where the screen is, by the `screen` pipeline, and the film on it, straightened."""

import asyncio
import json
import logging
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from gateway.apis.vhs import schema
from gateway.apis.vhs.canary import canary_picture
from gateway.apis.vhs.inference import CANARY_TIMEOUT_SECONDS, require_picture
from gateway.apis.vhs.photos import Bytes
from gateway.apis.vhs.schema import PopUnavailable
from gateway.apis.vhs.screen_schema import CornersNotFound, InvalidCornersGiven
from gateway.errors import InferenceFailed, InferenceTimeout, InvalidImage, ModelUnavailable
from gateway.imaging.errors import ImageError
from gateway.imaging.screen.files import answered, rectified_jpeg
from gateway.imaging.screen.frame_quality import FrameQuality
from gateway.imaging.screen.rectify import InvalidCorners, rectified_size
from gateway.triton.admission import Admission
from gateway.triton.client import TritonClient
from gateway.triton.isolation import Isolated
from gateway.web.mount import request_id

logger = logging.getLogger(__name__)

MODEL = "screen"
Corners = list[list[float]]
"""Four pairs [x, y] in pixels of the upright photo: TL, TR, BR, BL."""


class Look(NamedTuple):
    """What the pipeline says about one picture."""

    width: int
    """Of the picture in its file, upright."""
    height: int
    corners: Corners | None
    """As they are answered; None where this is no photo of a screen, or its corners are not to be trusted."""
    quality: FrameQuality | None
    """For whoever holds the phone; None without corners, or where nobody asked."""

    @property
    def corners_of_all(self) -> Corners:
        """The corners of the picture itself."""
        return [[0, 0], [self.width, 0], [self.width, self.height], [0, self.height]]


class Film(NamedTuple):
    """What was on a photographed screen."""

    jpeg: bytes
    width: int
    height: int


class Screens:
    """The `screen` ensemble behind its turnstile.

    Parameters
    ----------
    admission
        The turnstile of `screen`.

    Attributes
    ----------
    on_failure
        Called when the pipeline itself, not the picture, was at fault.
    """

    def __init__(self, triton: TritonClient, admission: Admission) -> None:
        self._triton = triton
        self._admission = admission
        self.on_failure: Callable[[], None] = lambda: None

    async def look(self, photo: Bytes, *, deadline: float, quality: bool = False) -> Look:
        """Look for the screen in a picture.

        Parameters
        ----------
        deadline
            On the event loop's clock.
        quality
            Judge the frame, too.

        Raises
        ------
        InvalidImage
            It is none that can be looked at, in the words for its sender.
        PopUnavailable, InferenceFailed, InferenceTimeout
            No answer came.
        """
        image = bytes(photo)
        require_picture(image)
        left = deadline - asyncio.get_running_loop().time()
        async with self._admission.turn(timeout_seconds=left) as seconds:
            return _look(await self._infer(image, quality=quality, timeout_seconds=seconds))

    async def corners(self, photo: Bytes, *, deadline: float) -> tuple[Look, Corners]:
        """Look for the screen in a picture that must show one.

        Raises
        ------
        CornersNotFound
            It does not, or its corners are not to be trusted.
        InvalidImage, PopUnavailable, InferenceFailed, InferenceTimeout
            As `look`.
        """
        look = await self.look(photo, deadline=deadline)
        if look.corners is None:
            raise CornersNotFound
        return look, look.corners

    async def canary(self) -> None:
        """Send the known picture; see `gateway.triton.canary`."""
        document = await self._infer(canary_picture(), quality=False, timeout_seconds=CANARY_TIMEOUT_SECONDS)
        if "corners" not in document:
            raise InferenceFailed("the canary picture came back without a word on its corners")

    async def _infer(self, image: bytes, *, quality: bool, timeout_seconds: float) -> dict[str, Any]:
        try:
            outputs = await self._triton.infer(
                MODEL,
                {"image": np.array([[image]], np.object_), "quality": np.array([[quality]])},
                request_id=request_id.get(),
                timeout_seconds=timeout_seconds,
            )
        except InvalidImage as error:
            logger.info("photo refused: %s", error.message.partition(", came ")[0])
            raise InvalidImage(schema.INVALID_IMAGE) from error
        except ModelUnavailable as error:
            self.on_failure()
            raise PopUnavailable from error
        except InferenceFailed:
            self.on_failure()
            raise
        document: dict[str, Any] = json.loads(outputs["screen"].item())
        return document


def _look(document: dict[str, Any]) -> Look:
    width, height = document["file_size"]
    is_screen = document["is_photo"] and document["corners"] is not None
    measures = document.get("quality")
    return Look(
        width,
        height,
        answered(document["corners"]) if is_screen else None,
        FrameQuality(**measures) if is_screen and measures else None,
    )


class Rectifier:
    """A few processes that straighten photos: decoders of hostile files take such a process with them.

    Parameters
    ----------
    workers
        How many; each is started when it is first needed.
    """

    def __init__(self, workers: int) -> None:
        self._idle: queue.SimpleQueue[Isolated[bytes]] = queue.SimpleQueue()
        self._all = [Isolated(rectified_jpeg) for _ in range(workers)]
        for worker in self._all:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="rectify")

    async def rectify(self, photo: Bytes, corners: object, *, deadline: float) -> Film:
        """Straighten a photo.

        Parameters
        ----------
        corners
            As `gateway.imaging.screen.rectify.checked_corners` asks; they may come from a caller.
        deadline
            On the event loop's clock.

        Raises
        ------
        InvalidImage
            It is none that can be straightened.
        InvalidCornersGiven
            These are no corners of it.
        InferenceTimeout
            It took too long.
        """
        require_picture(bytes(photo))
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, self._in_worker, bytes(photo), corners)
        try:
            jpeg = await asyncio.wait_for(work, max(0.0, deadline - loop.time()))
        except asyncio.TimeoutError as error:
            raise InferenceTimeout("the photo was not straightened in time") from error
        except InvalidCorners as error:
            raise InvalidCornersGiven from error
        except ImageError as error:
            raise InvalidImage(schema.INVALID_IMAGE) from error
        return Film(jpeg, *rectified_size(np.array(corners, np.float64)))

    def close(self) -> None:
        """End the processes, once they have done what they are at."""
        self._threads.shutdown(cancel_futures=True)
        for worker in self._all:
            worker.close()

    def _in_worker(self, photo: bytes, corners: object) -> bytes:
        worker = self._idle.get()  # there are as many as threads
        try:
            return worker(photo, corners)
        finally:
            self._idle.put(worker)
