"""The gateway's side of the wire to Triton: calls and streams, arrays by name both ways.

It uses the generated KServe v2 stubs rather than tritonclient's own
classes, which spend about half of a call's time on building Python objects.
"""

import asyncio
import functools
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2

from gateway.errors import (
    GatewayError,
    InferenceFailed,
    InferenceTimeout,
    InvalidImage,
    ModelUnavailable,
    OutOfMemory,
)
from gateway.metrics import INFERENCE_SECONDS, TRITON_RETRIES
from gateway.triton.servers import AWAY, ServerLost, Servers, on_one

logger = logging.getLogger(__name__)

LARGE_BYTES = 2**20
"""Inputs of more than this are put together in a thread."""
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
_ABSENT = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)
NAMES = {dtype: name for name, dtype in DATATYPES.items()}


class TritonClient:
    """Calls to Triton, or to the one of several that is least busy.

    A unary call whose server is away goes to another one, once; a stream does not.

    Parameters
    ----------
    url
        Of the gRPC endpoint, without a scheme: `host:port`, several with commas between, or
        `dns:///host:port` for all addresses of a name; see `Servers`.
    """

    def __init__(self, url: str) -> None:
        self._servers = Servers(url)

    async def watch(self) -> None:
        """Look after the servers for ever, where there are several."""
        await self._servers.watch()

    async def close(self) -> None:
        """Close the connections."""
        await self._servers.close()

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
            response = await on_one(
                self._servers,
                lambda server, seconds: server.infer(request, timeout=seconds),
                timeout_seconds=timeout_seconds,
                on_retry=TRITON_RETRIES.labels(model).inc,
            )
        except ServerLost as error:
            outcome = "lost"
            raise ModelUnavailable(f"{model} is not available") from error
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
        server = await self._servers.first()
        responses = server.stub.ModelStreamInfer(_one(request), timeout=timeout_seconds)
        try:
            while (response := await server.run(responses.read())) is not grpc.aio.EOF:
                if response.error_message:
                    outcome = "error"
                    raise _stream_error(model, response.error_message)
                if response.infer_response.outputs:  # the last one may be empty
                    yield _outputs(response.infer_response)
            outcome = "ok"
        except ServerLost as error:
            outcome = "lost"
            raise ModelUnavailable(f"{model} is not available") from error
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
            response = await on_one(
                self._servers,
                lambda server, seconds: server.stub.ModelReady(request, timeout=seconds),
                timeout_seconds=timeout_seconds,
            )
        except (ServerLost, grpc.aio.AioRpcError, ModelUnavailable):
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
            request = service_pb2.ModelMetadataRequest(name=model, version=version)
            response = await on_one(
                self._servers,
                lambda server, seconds: server.stub.ModelMetadata(request, timeout=seconds),
                timeout_seconds=timeout_seconds,
            )
        except ServerLost as error:
            raise ModelUnavailable(f"{model} is not available") from error
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
    if AWAY.search(sentence):
        logger.debug("%s is not available: %s", model, sentence)
        return ModelUnavailable(f"{model} is not available")
    return _failed(model, sentence)


def _failed(model: str, details: str) -> GatewayError:
    if details == _OUT_OF_MEMORY:
        return OutOfMemory(f"{model} ran out of memory")
    logger.error("%s failed: %s", model, details)
    return InferenceFailed(f"{model} failed")
