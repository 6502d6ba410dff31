"""A Triton without a server: it obeys each model's config.pbtxt and answers from a function.

Whatever goes in or comes out under another name, dtype or rank than the config says is refused, so the
config stays the only statement of the contract.
"""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from gateway.errors import InferenceTimeout, InvalidImage
from gateway.imaging.chest_xray import FINDINGS, OperatingPoint, OperatingPoints
from gateway.imaging.chest_xray_steps import Model, conclude, images_of, prepare
from gateway.imaging.errors import ImageError

REPOSITORY = Path(__file__).parents[2] / "model_repository"
DTYPES = {
    "TYPE_BOOL": np.bool_,
    "TYPE_UINT8": np.uint8,
    "TYPE_INT16": np.int16,
    "TYPE_INT32": np.int32,
    "TYPE_INT64": np.int64,
    "TYPE_FP16": np.float16,
    "TYPE_FP32": np.float32,
    "TYPE_FP64": np.float64,
    "TYPE_STRING": np.object_,
}

Arrays = Mapping[str, np.ndarray]
Answer = Callable[[Arrays, Mapping[str, str]], Arrays | Awaitable[Arrays] | AsyncIterator[Arrays]]


class ContractBroken(AssertionError):
    """A tensor is not what the model's config.pbtxt says."""


class Call(NamedTuple):
    """One call as it came in."""

    model: str
    inputs: Arrays
    outputs: tuple[str, ...]
    parameters: dict[str, str]
    request_id: str
    timeout_seconds: float


class FakeTriton:
    """Stands in for `gateway.triton.client.TritonClient`.

    Parameters
    ----------
    answers
        Model name to the function that gives its outputs from its inputs and parameters; it may be
        async, and may raise what TritonClient raises.

    Attributes
    ----------
    calls
        Every call, in order.
    broken
        Every breach of a config; a test's fixture looks that there was none.
    """

    def __init__(self, answers: Mapping[str, Answer], *, repository: Path = REPOSITORY) -> None:
        self.answers = dict(answers)
        self.calls: list[Call] = []
        self.broken: list[ContractBroken] = []
        self._repository = repository

    async def infer(
        self,
        model: str,
        inputs: Arrays,
        *,
        version: str = "",
        outputs: Sequence[str] = (),
        parameters: Mapping[str, str] | None = None,
        request_id: str = "",
        timeout_seconds: float = 60.0,
    ) -> dict[str, np.ndarray]:
        """Check, answer, check."""
        config = self._config(model)
        self._require(config, "input", inputs, list(inputs))
        parameters = dict(parameters or {})
        self.calls.append(Call(model, dict(inputs), tuple(outputs), parameters, request_id, timeout_seconds))
        answer: Any = self.answers[model](inputs, parameters)
        if inspect.isawaitable(answer):
            try:
                answer = await asyncio.wait_for(answer, timeout_seconds)
            except asyncio.TimeoutError as error:
                raise InferenceTimeout(f"{model} did not answer in time") from error
        self._require(config, "output", answer, list(outputs))
        return {name: answer[name] for name in outputs or answer}

    async def stream(
        self, model: str, inputs: Arrays, *, request_id: str = "", timeout_seconds: float = 60.0
    ) -> AsyncIterator[dict[str, np.ndarray]]:
        """Check, and check each part of the answer, which is an async iterator here."""
        config = self._config(model)
        if not config.model_transaction_policy.decoupled:
            raise self._breach(f"{model} is not decoupled")
        self._require(config, "input", inputs, list(inputs))
        self.calls.append(Call(model, dict(inputs), (), {}, request_id, timeout_seconds))
        parts: Any = self.answers[model](inputs, {})
        ends = asyncio.get_running_loop().time() + timeout_seconds
        async for part in parts:
            if asyncio.get_running_loop().time() > ends:
                raise InferenceTimeout(f"{model} did not answer in time")
            self._require(config, "output", part, [])
            yield dict(part)

    async def ready(self, model: str, *, timeout_seconds: float = 2.0) -> bool:
        """Whether this model has an answer."""
        return model in self.answers

    async def inputs(
        self, model: str, *, version: str = "", timeout_seconds: float = 5.0
    ) -> dict[str, str] | None:
        """Give the inputs of its config; the only version is 1."""
        if model not in self.answers or version not in ("", "1"):
            return None
        names = {"TYPE_STRING": "BYTES"}
        kinds = (
            (each.name, model_config_pb2.DataType.Name(each.data_type)) for each in self._config(model).input
        )
        return {name: names.get(kind, kind.removeprefix("TYPE_")) for name, kind in kinds}

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def _config(self, model: str) -> Any:
        file = self._repository / model / "config.pbtxt"
        if not file.exists():
            raise self._breach(f"there is no model {model}")
        return text_format.Parse(file.read_text(), model_config_pb2.ModelConfig())

    def _require(self, config: Any, direction: str, arrays: Arrays, wanted: Sequence[str]) -> None:
        tensors = {tensor.name: tensor for tensor in getattr(config, direction)}
        where = f"{config.name} {direction}"
        if set(arrays) != set(tensors) or not set(wanted) <= set(tensors):
            raise self._breach(f"{where}: expected {sorted(tensors)}, came {sorted(arrays)}, {wanted}")
        for name, array in arrays.items():
            self._require_tensor(f"{where} {name}", tensors[name], array, config.max_batch_size)

    def _require_tensor(self, what: str, tensor: Any, array: np.ndarray, max_batch_size: int) -> None:
        kind = model_config_pb2.DataType.Name(tensor.data_type)
        if not isinstance(array, np.ndarray) or array.dtype != DTYPES[kind]:
            raise self._breach(f"{what}: expected {kind}, came {getattr(array, 'dtype', type(array))}")
        dims = list(tensor.dims)
        shape = array.shape
        if max_batch_size > 0:
            if not shape or not 1 <= shape[0] <= max_batch_size:
                raise self._breach(f"{what}: expected a batch of up to {max_batch_size}, came {shape}")
            shape = shape[1:]
        if len(shape) != len(dims) or any(d not in (-1, s) for d, s in zip(dims, shape, strict=True)):
            raise self._breach(f"{what}: expected {dims}, came {list(shape)}")
        if kind == "TYPE_STRING" and not all(isinstance(each, bytes) for each in array.flat):
            raise self._breach(f"{what}: expected bytes")

    def _breach(self, what: str) -> ContractBroken:
        self.broken.append(ContractBroken(what))
        return self.broken[-1]


SEED_CONFIDENCES = (0.87, 0.12, 0.05, 0.08, 0.15, 0.03, 0.72, 0.09, 0.11, 0.07, 0.22, 0.04)
"""Of the contract's own example, in the order of FINDINGS: Tuberculosis and Consolidation are present."""
MODEL_VERSION = "v1.0.1"


def chest_xray_answer(confidences: Sequence[float] = SEED_CONFIDENCES, *, chest_logit: float = 5.0) -> Answer:
    """Build the answer of `chest_xray`: the pipeline's own steps around a network that says `confidences`."""
    points = OperatingPoints(MODEL_VERSION, (OperatingPoint(0.5, True),) * len(FINDINGS))
    model = Model("fake", "0" * 64, points)
    probabilities = np.array(confidences, np.float64)
    logits = np.log(probabilities / (1 - probabilities)).astype(np.float32)
    maps = np.tile(np.linspace(-4, 4, 8, dtype=np.float32), (len(FINDINGS), 8, 1))

    def answer(inputs: Arrays, parameters: Mapping[str, str]) -> Arrays:
        try:
            prepared = prepare(inputs["dicom"][0].tobytes())
            # The header crosses Triton as JSON.
            header = json.loads(json.dumps(prepared.header))
            conclusion = conclude(
                model,
                logits=logits,
                activation_maps=maps,
                chest_logit=np.array([chest_logit], np.float32),
                source_image=prepared.source_image,
                header=header,
                gate=parameters.get("gate") != "off",
            )
        except ImageError as error:
            raise InvalidImage(str(error)) from error
        images = images_of(prepared.source_image, conclusion.heatmap)
        return {
            "prediction": _text(conclusion.prediction),
            "study": _text(conclusion.study),
            **{name: np.frombuffer(data, np.uint8)[np.newaxis] for name, data in images.items()},
        }

    return answer


def _text(document: Any) -> np.ndarray:
    return np.array([[json.dumps(document, ensure_ascii=False).encode()]], np.object_)
