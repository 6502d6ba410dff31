"""The gateway's side of the wire to Triton: calls and streams, arrays by name both ways.

The only import of tritonclient. It uses the generated KServe v2 stubs rather than tritonclient's own
classes, which spend about half of a call's time on building Python objects.
"""

import asyncio
import functools
import logging
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from gateway.errors import (
    GatewayError,
    InferenceFailed,
    InferenceTimeout,
    InvalidImage,
    ModelUnavailable,
    OutOfMemory,
)
from gateway.metrics import INFERENCE_SECONDS

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 2**31 - 1
LARGE_BYTES = 2**20
"""Inputs of more than this are put together in a thread."""
CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # After a restart of Triton the next call must not wait out gRPC's two-minute back-off.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
DATATYPES: dict[str, np.dtype] = {
    "UINT8": np.dtype(np.uint8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BOOL": np.dtype(np.bool_),
}
_OUT_OF_MEMORY = "out of memory"
_REFUSED = "refused: "
"""These two begin as in `gateway.triton.backend`."""
_AWAY = re.compile(r"is not available|unknown model|not healthy|not ready|unavailable", re.IGNORECASE)
"""What Triton itself says in a stream of a model that is not there."""
_ABSENT = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)
NAMES = {dtype: name for name, dtype in DATATYPES.items()}


class TritonClient:
    """Calls to one Triton.

    Parameters
    ----------
    url
        Host and port of its gRPC endpoint, without a scheme.
    """

    def __init__(self, url: str) -> None:
        self._channel = grpc.aio.insecure_channel(url, options=CHANNEL_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        # As the stub's own, but for the serializer: see `_serialized`.
        self._infer = self._channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            response_deserializer=service_pb2.ModelInferResponse.FromString,
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, np.ndarray],
        *,
        version: str = "",
        outputs: Sequence[str] = (),
        parameters: Mapping[str, str] | None = None,
        request_id: str = "",
        timeout_seconds: float = 60.0,
    ) -> dict[str, np.ndarray]:
        """Run one inference.

        Parameters
        ----------
        version
            The model's version; the newest when empty.
        inputs
            Arrays by tensor name, batch axis included where the model has one; BYTES tensors as dtype
            object holding `bytes`.
        outputs
            Names of the wanted outputs; all when empty.
        parameters
            The request's own parameters, which reach every step of an ensemble.

        Returns
        -------
        Read-only arrays by tensor name; BYTES tensors as dtype object holding `bytes`.

        Raises
        ------
        InvalidImage
            The pipeline refused the image; its sentence is intact.
        ModelUnavailable, InferenceTimeout, InferenceFailed
            Triton or the model is away, late or broken.
        """
        logger.debug("infer %s", model)
        started = time.perf_counter()
        outcome = "ok"
        try:
            request = await _serialized(model, inputs, version, outputs, parameters or {}, request_id)
            response = await self._infer(request, timeout=timeout_seconds)
        except grpc.aio.AioRpcError as error:
            outcome = error.code().name.lower()
            raise _gateway_error(model, error) from error
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            INFERENCE_SECONDS.labels(model, outcome).observe(time.perf_counter() - started)
        return _outputs(response)

    async def stream(
        self,
        model: str,
        inputs: Mapping[str, np.ndarray],
        *,
        request_id: str = "",
        timeout_seconds: float = 60.0,
    ) -> AsyncIterator[dict[str, np.ndarray]]:
        """Call a decoupled model and yield its responses as they come.

        Closing the iterator, or cancelling the task that waits on it, ends the call, and with it the
        model's work. Use `contextlib.aclosing` where it may be left before its end.

        Parameters
        ----------
        inputs
            As of `infer`.
        timeout_seconds
            From the call to its last response.

        Yields
        ------
        As `infer` returns.

        Raises
        ------
        What `infer` raises, and OutOfMemory.
        """
        started = time.perf_counter()
        outcome = "cancelled"
        request = _request(model, inputs, "", (), {}, request_id)
        # The header `triton_grpc_error` would have errors come with their code, and crashes Triton 24.10.
        responses = self._stub.ModelStreamInfer(_one(request), timeout=timeout_seconds)
        try:
            async for response in responses:
                if response.error_message:
                    outcome = "error"
                    raise _stream_error(model, response.error_message)
                if response.infer_response.outputs:  # the last one may be empty
                    yield _outputs(response.infer_response)
            outcome = "ok"
        except grpc.aio.AioRpcError as error:
            outcome = error.code().name.lower()
            raise _gateway_error(model, error) from error
        finally:
            responses.cancel()
            INFERENCE_SECONDS.labels(model, outcome).observe(time.perf_counter() - started)

    async def ready(self, model: str, *, timeout_seconds: float = 2.0) -> bool:
        """Whether Triton says that the model is loaded; a dead Python stub still counts as ready there."""
        request = service_pb2.ModelReadyRequest(name=model)
        try:
            response = await self._stub.ModelReady(request, timeout=timeout_seconds)
        except grpc.aio.AioRpcError:
            return False
        return bool(response.ready)

    async def inputs(
        self, model: str, *, version: str = "", timeout_seconds: float = 5.0
    ) -> dict[str, str] | None:
        """Give the names and datatypes of a model's inputs; None where there is no such model or version.

        Raises
        ------
        ModelUnavailable
            Triton, or the model, does not answer at the moment.
        """
        try:
            response = await self._stub.ModelMetadata(
                service_pb2.ModelMetadataRequest(name=model, version=version), timeout=timeout_seconds
            )
        except grpc.aio.AioRpcError as error:
            if error.code() in _ABSENT:
                return None
            raise ModelUnavailable(f"{model} is not available") from error
        return {tensor.name: tensor.datatype for tensor in response.inputs}


async def _one(request: Any) -> AsyncIterator[Any]:
    yield request


async def _serialized(model: str, inputs: Mapping[str, np.ndarray], *others: Any) -> bytes:
    """Build a request and write it down; in a thread where that copies megabytes, a few times over."""
    work = functools.partial(_request_bytes, model, inputs, *others)
    is_large = sum(map(_size, inputs.values())) > LARGE_BYTES
    return await asyncio.to_thread(work) if is_large else work()


def _size(array: np.ndarray) -> int:
    return array.nbytes if array.dtype != object else sum(map(len, array.flat))


def _request_bytes(*arguments: Any) -> bytes:
    serialized: bytes = _request(*arguments).SerializeToString()
    return serialized


def _request(
    model: str,
    inputs: Mapping[str, np.ndarray],
    version: str,
    outputs: Sequence[str],
    parameters: Mapping[str, str],
    request_id: str,
) -> Any:
    request = service_pb2.ModelInferRequest(model_name=model, model_version=version, id=request_id)
    for name, array in inputs.items():
        datatype = "BYTES" if array.dtype == object else NAMES[array.dtype]
        request.inputs.add(name=name, datatype=datatype, shape=array.shape)
        request.raw_input_contents.append(_raw(array))
    for name in outputs:
        request.outputs.add(name=name)
    for key, value in parameters.items():
        request.parameters[key].string_param = value
    return request


def _raw(array: np.ndarray) -> bytes:
    if array.dtype != object:
        return array.tobytes()
    # Each element is a 4-byte little-endian length, then its data.
    return b"".join(part for each in array.flat for part in (len(each).to_bytes(4, "little"), each))


def _outputs(response: Any) -> dict[str, np.ndarray]:
    return {
        output.name: _array(output.datatype, tuple(output.shape), raw)
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
    }


def _array(datatype: str, shape: tuple[int, ...], raw: bytes) -> np.ndarray:
    if datatype == "BYTES":
        return np.array(_elements(raw), np.object_).reshape(shape)
    return np.frombuffer(raw, DATATYPES[datatype]).reshape(shape)


def _elements(raw: bytes) -> list[bytes]:
    """Split a BYTES tensor; see `_raw`."""
    elements = []
    offset = 0
    while offset < len(raw):
        end = offset + 4 + int.from_bytes(raw[offset : offset + 4], "little")
        elements.append(raw[offset + 4 : end])
        offset = end
    return elements


def _gateway_error(model: str, error: grpc.aio.AioRpcError) -> GatewayError:
    code = error.code()
    details = error.details() or ""
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        # Triton prefixes a step's own sentence with "in ensemble 'x', ".
        return InvalidImage(details.removeprefix(f"in ensemble '{model}', "))
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return InferenceTimeout(f"{model} did not answer in time")
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.CANCELLED):
        logger.debug("%s is not available: %s", model, code.name)
        return ModelUnavailable(f"{model} is not available")
    return _failed(model, details)


def _stream_error(model: str, sentence: str) -> GatewayError:
    """Know an error by its words: it has no code."""
    if sentence.startswith(_REFUSED):
        return InvalidImage(sentence.removeprefix(_REFUSED))
    if _AWAY.search(sentence):
        logger.debug("%s is not available: %s", model, sentence)
        return ModelUnavailable(f"{model} is not available")
    return _failed(model, sentence)


def _failed(model: str, details: str) -> GatewayError:
    if details == _OUT_OF_MEMORY:
        return OutOfMemory(f"{model} ran out of memory")
    logger.error("%s failed: %s", model, details)
    return InferenceFailed(f"{model} failed")
