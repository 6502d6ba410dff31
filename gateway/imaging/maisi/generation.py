"""One synthetic CT volume out of the three models that make its parts; what `maisi` streams.

The models are an argument, so all of this runs without Triton.
"""

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from gateway.imaging.maisi.asked import Asked
from gateway.imaging.maisi.quality import organ_quality

Tensors = dict[str, np.ndarray]
Call = Callable[[str, Mapping[str, np.ndarray], Sequence[str]], Iterable[Tensors]]
"""Calls a decoupled model: its name, its inputs, the wanted outputs; yields its responses."""

SLAB_SLICES = 32
BACKGROUND_HU = -1000
_NO_IMAGE = np.empty((0, 0, 0), np.int16)
_NO_LABELS = np.empty((0, 0, 0), np.uint8)


class Lease(Protocol):
    """How the called models learn that nobody wants their work any more."""

    name: str

    def end(self) -> None:
        """Want the work no more."""


class Incomplete(RuntimeError):
    """A called model ended before its result: its error was lost, see `gateway.triton.backend.call`."""


class Cancelled(Exception):
    """The caller is gone; all calls have come to their end."""


def generate(
    request: np.ndarray, call: Call, *, lease: Lease, is_cancelled: Callable[[], bool]
) -> Iterator[Tensors]:
    """Make one sample, and yield what `model_repository/maisi/config.pbtxt` says.

    Parameters
    ----------
    request
        One JSON document, shape (1,), dtype object; see `Asked`.

    Raises
    ------
    ImageError
        The request is one that the networks cannot meet.
    Incomplete
        A model broke midway.
    """
    asked = Asked.parse(request[0])
    stages = _Stages(asked, call, lease, is_cancelled)
    try:
        labels = yield from stages.mask()
        latent = yield from stages.latent(labels)
        image_hu, model = yield from stages.image(latent)
    except Cancelled:
        return
    image_hu[labels == 0] = BACKGROUND_HU
    yield from slabs(image_hu, labels)
    quality = organ_quality(image_hu, labels).document()
    yield _part({"event": "done", "seed": asked.seed, "quality": quality, "model": model})


def slabs(image_hu: np.ndarray, labels: np.ndarray) -> Iterator[Tensors]:
    """Yield a volume in slabs along z, so that no message holds all of it."""
    for z in range(0, image_hu.shape[2], SLAB_SLICES):
        part = np.s_[:, :, z : z + SLAB_SLICES]
        yield _part({"event": "slab", "z": z}, image_hu[part], labels[part])


class _Stages:
    """The calls of one sample; each gives its result, and yields progress on the way."""

    def __init__(self, asked: Asked, call: Call, lease: Lease, is_cancelled: Callable[[], bool]) -> None:
        self._asked = asked
        self._call = call
        self._lease = lease
        self._is_cancelled = is_cancelled
        self._lease_name = _text(lease.name)

    def mask(self) -> Generator[Tensors, None, np.ndarray]:
        """Give the labels, uint8 [x, y, z]."""
        document = {
            "seed": self._asked.seed,
            "output_size": self._asked.output_size,
            "spacing_mm": self._asked.spacing_mm,
            "body_region": self._asked.body_region,
            "anatomy_list": self._asked.anatomy_list,
            "controllable_anatomy_size": self._asked.controllable_anatomy_size,
        }
        inputs = {"request": _text(json.dumps(document)), "lease": self._lease_name}
        labels = _NO_LABELS
        for event, part in self._parts("maisi_mask", inputs, "labels", last="labels"):
            if event["event"] == "progress":
                yield _part({"stage": "mask", **event})
            else:
                labels = part.copy()
        return labels

    def latent(self, labels: np.ndarray) -> Generator[Tensors, None, np.ndarray]:
        """Give the latent image, float32 [channel, x, y, z]."""
        inputs = {
            "labels": labels,
            "spacing_mm": np.array(self._asked.spacing_mm, np.float32),
            "seed": np.array([self._asked.seed], np.int64),
            "num_inference_steps": np.array([self._asked.num_inference_steps or 0], np.int32),
            "lease": self._lease_name,
        }
        latent = np.empty((0, 0, 0, 0), np.float32)
        for event, part in self._parts("maisi_latent", inputs, "latent", last="latent"):
            if event["event"] == "progress":
                yield _part({"stage": "latent", **event})
            else:
                latent = part.copy()
        return latent

    def image(self, latent: np.ndarray) -> Generator[Tensors, None, tuple[np.ndarray, dict[str, Any]]]:
        """Give the image in HU, int16 [x, y, z], and which model made it."""
        image_hu = np.empty(self._asked.output_size, np.int16)
        model: dict[str, Any] = {}
        inputs = {"latent": latent, "lease": self._lease_name}
        for event, part in self._parts("maisi_decode", inputs, "image_hu", last="done"):
            if event["event"] == "progress":
                yield _part({"stage": "decode", **event})
            elif event["event"] == "slab":
                image_hu[:, :, event["z"] : event["z"] + part.shape[2]] = part
            else:
                model = event["model"]
        return image_hu, model

    def _parts(
        self, model: str, inputs: Mapping[str, np.ndarray], output: str, *, last: str
    ) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
        """Yield events with their array, until the caller is gone; read the called one to its end then.

        Parameters
        ----------
        last
            The event without which the answer is not whole.

        Raises
        ------
        Cancelled
            The caller is gone.
        Incomplete
            The model broke after its first event.
        """
        is_over, event = False, {"event": ""}
        for outputs in self._call(model, inputs, ["event", output]):
            is_over = is_over or self._is_cancelled()
            if is_over:
                self._lease.end()
            else:
                event = json.loads(outputs["event"][0])
                yield event, outputs[output]
        if is_over or self._is_cancelled():
            raise Cancelled
        if event["event"] != last:
            raise Incomplete(model)


def _part(
    event: Mapping[str, Any], image_hu: np.ndarray = _NO_IMAGE, labels: np.ndarray = _NO_LABELS
) -> Tensors:
    return {"event": _text(json.dumps(event)), "image_hu": image_hu, "labels": labels}


def _text(value: str) -> np.ndarray:
    return np.array([value.encode()], np.object_)
