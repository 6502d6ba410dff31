"""One volume out of Triton: slabs go to disk as they come, so that no volume is held in memory."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from typing import IO, Any, NamedTuple

import numpy as np

from gateway.apis.maisi.folders import SampleFolder
from gateway.errors import InferenceFailed
from gateway.metrics import STAGE_SECONDS
from gateway.triton.client import TritonClient

MODEL = "maisi"


class Progress(NamedTuple):
    """How far a volume is."""

    stage: str
    step: int
    steps: int


class Received(NamedTuple):
    """What came with a volume."""

    quality: dict[str, Any]
    model: dict[str, Any]
    stage_seconds: dict[str, float]


class Receiver:
    """Takes one volume in.

    Parameters
    ----------
    size
        Voxels along x, y, z.
    """

    def __init__(
        self,
        folder: SampleFolder,
        size: tuple[int, int, int],
        *,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._folder = folder
        self._size = size
        self._on_progress = on_progress
        self._slices = 0
        self._stages: dict[str, float] = {}
        self._stage, self._since = "mask", 0.0

    async def receive(
        self, triton: TritonClient, inputs: dict[str, np.ndarray], *, request_id: str, timeout_seconds: float
    ) -> Received:
        """Call the model and read its answer to the end.

        Raises
        ------
        InvalidImage, ModelUnavailable, InferenceTimeout, InferenceFailed, OutOfMemory
        """
        self._since = time.perf_counter()
        stream = triton.stream(MODEL, inputs, request_id=request_id, timeout_seconds=timeout_seconds)
        done: dict[str, Any] | None = None
        with self._folder.raw_image.open("wb") as image, self._folder.raw_labels.open("wb") as labels:
            async with contextlib.aclosing(stream) as parts:  # type: ignore[type-var]
                async for part in parts:
                    done = await self._take(part, image, labels) or done
        if done is None or self._slices != self._size[2]:
            raise InferenceFailed(f"{MODEL} gave {self._slices} of {self._size[2]} slices")
        self._enter("")
        return Received(done.get("quality") or {}, done.get("model") or {}, self._stages)

    async def _take(
        self, part: dict[str, np.ndarray], image: IO[bytes], labels: IO[bytes]
    ) -> dict[str, Any] | None:
        event: dict[str, Any] = json.loads(part["event"].flat[0])
        if event["event"] == "progress":
            self._enter(event["stage"])
            self._on_progress(Progress(event["stage"], event["step"], event["steps"]))
        elif event["event"] == "slab":
            self._enter("transfer")
            self._require_next(event["z"], part["image_hu"].shape, part["labels"].shape)
            await asyncio.to_thread(_append, image, part["image_hu"])
            await asyncio.to_thread(_append, labels, part["labels"])
        return event if event["event"] == "done" else None

    def _require_next(self, z: int, *shapes: tuple[int, ...]) -> None:
        image, labels = shapes
        if z != self._slices or image != labels or image[:2] != self._size[:2]:
            raise InferenceFailed(f"{MODEL} gave slices that do not fit the volume")
        self._slices += image[2]

    def _enter(self, stage: str) -> None:
        now = time.perf_counter()
        if stage != self._stage:
            seconds = now - self._since
            self._stages[self._stage] = round(self._stages.get(self._stage, 0.0) + seconds, 3)
            STAGE_SECONDS.labels(MODEL, self._stage).observe(seconds)
            self._stage, self._since = stage, now


def _append(file: IO[bytes], slab: np.ndarray) -> None:
    file.write(slab.tobytes(order="F"))
