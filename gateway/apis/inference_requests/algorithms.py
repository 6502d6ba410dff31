"""Which of Triton's models an inference request may name: those that take an encoded image."""

import time
from typing import Literal

from gateway.apis.inference_requests.answers import JobNotCreated
from gateway.apis.inference_requests.asked import Algorithm, algorithm_of
from gateway.errors import ModelUnavailable
from gateway.triton.client import TritonClient

Takes = Literal["dicom", "image"]
_TAKES: dict[tuple[str, str], Takes] = {("dicom", "UINT8"): "dicom", ("image", "BYTES"): "image"}
_OPTIONS = {"vhs": {"render"}}
"""Further inputs that we know how to give."""


KNOWN_SECONDS = 5.0
"""How long a model that Triton had counts as there, for requests that come one upon the other."""


class Algorithms:
    """The models as Triton has them at the moment, give or take KNOWN_SECONDS."""

    def __init__(self, triton: TritonClient) -> None:
        self._triton = triton
        self._known_until: dict[Algorithm, float] = {}

    async def require(self, pipeline_id: str | None) -> None:
        """Make sure that a request can name this.

        Raises
        ------
        JobNotCreated
            There is no such model or version, or it takes something else, or Triton is away.
        """
        algorithm = algorithm_of(pipeline_id)
        if algorithm is not None and self._is_known(algorithm):
            return
        try:
            takes = None if algorithm is None else await self.takes(algorithm)
        except ModelUnavailable as error:
            raise JobNotCreated(error.message) from error
        if takes is None:
            raise JobNotCreated(f"Invalid Pipeline ID configured: {pipeline_id or ''}")

    async def takes(self, algorithm: Algorithm) -> Takes | None:
        """Tell what kind of image a model takes: a DICOM file, or a picture; None if neither.

        Raises
        ------
        ModelUnavailable
        """
        inputs = await self._triton.inputs(algorithm.model, version=algorithm.version)
        names = set(inputs or ()) - _OPTIONS.get(algorithm.model, set())
        if inputs is None or len(names) != 1:
            return None
        (name,) = names
        takes = _TAKES.get((name, inputs[name]))
        if takes is not None:
            self._known_until[algorithm] = time.monotonic() + KNOWN_SECONDS
        return takes

    def _is_known(self, algorithm: Algorithm) -> bool:
        return time.monotonic() < self._known_until.get(algorithm, 0.0)
