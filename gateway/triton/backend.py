"""Triton's side of the wire: what every `model.py` answers its requests with.

The only module that imports `triton_python_backend_utils`, which exists inside Triton's stub alone.
"""

import json
import logging
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gateway.imaging.errors import ImageError

logger = logging.getLogger(__name__)

Tensors = dict[str, np.ndarray]


OUT_OF_MEMORY = "out of memory"
REFUSED = "refused: "
"""A stream's errors have no code in Triton 24.10: `gateway.triton.client` knows these two by their words."""


class StepFailed(RuntimeError):
    """A model that this one called answered with an error; its message is fit for callers."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def respond(
    requests: Sequence[Any], function: Callable[..., Tensors], *, with_parameters: bool = False
) -> list[Any]:
    """Answer each request with `function` of its tensors; one bad request never spoils the others.

    Parameters
    ----------
    requests
        What Triton hands to `execute`.
    function
        Called once a request with each input tensor by its name, without the batch axis (the models
        that use this have `max_batch_size: 1`), and returns the outputs by name, again without it.
    with_parameters
        Hand over the request's own parameters too, as the keyword `parameters`.
    """

    def answer(pb_utils: Any, one: Sequence[Any]) -> list[Any]:
        return [_answer(pb_utils, request, function, with_parameters) for request in one]

    return [response for request in requests for response in _safely([request], answer)]


def respond_batched(requests: Sequence[Any], function: Callable[[Tensors], Tensors]) -> list[Any]:
    """Answer all requests with one call of `function` on their tensors joined along the batch axis."""

    def answer(pb_utils: Any, requests: Sequence[Any]) -> list[Any]:
        return _joined(pb_utils, requests, function)

    return _safely(requests, answer)


class _PartSender:
    """Triton's response sender, which remembers whether it was used."""

    def __init__(self, sender: Any) -> None:
        self._sender = sender
        self.is_cancelled = sender.is_cancelled
        self.has_sent = False

    def send(self, *response: Any, flags: int = 0) -> None:
        self._sender.send(*response, flags=flags)
        self.has_sent = True


def respond_in_parts(requests: Sequence[Any], function: Callable[..., Iterable[Tensors]]) -> None:
    """Answer requests of a decoupled model, one after the other, with each of what `function` yields.

    Parameters
    ----------
    function
        Called with each input tensor by its name (the models that use this have `max_batch_size: 0`) and
        `is_cancelled`, which tells whether the caller is gone; then it is to end soon.
    """
    import triton_python_backend_utils as pb_utils

    final = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
    for request in requests:
        sender = _PartSender(request.get_response_sender())
        refusal = _safely([request], _sending(sender, function))
        if refusal and not sender.has_sent:
            # At once: a model that called this one reads nothing after an error, and Triton 24.10 crashes
            # after some thousand calls whose end was not read.
            sender.send(*refusal, flags=final)
        else:
            # One by one: where a model called this one, an error with the end never arrives after a part.
            for response in refusal:
                sender.send(response)
            sender.send(flags=final)


def call(model: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> Iterator[Tensors]:
    """Call a decoupled model from within another, and yield each of its responses' tensors.

    What is yielded holds until the next response only. Read it to its end: Triton 24.10 does not tell the
    called that its caller is gone (`gateway.triton.leases` does). **An error that follows a part is lost
    there**: the parts just end, and must tell by themselves whether they are all.

    Raises
    ------
    ImageError
        The model refused its input; the sentence is intact.
    StepFailed
        The model is not there, or broke.
    """
    import triton_python_backend_utils as pb_utils

    request = pb_utils.InferenceRequest(
        model_name=model,
        requested_output_names=list(outputs),
        inputs=[pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in inputs.items()],
    )
    for response in request.exec(decoupled=True):
        if response.has_error():
            raise _step_error(pb_utils, model, response.error())
        if tensors := {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}:
            yield tensors


def report_runtime(model: str, runtime: str) -> Any:
    """Show at Triton's metrics port what runs a network, so that one left to the CPU beside a GPU is seen.

    Returns the metric, which is shown as long as it is kept.
    """
    import triton_python_backend_utils as pb_utils

    family = pb_utils.MetricFamily(
        name="radgate_network_runtime",
        description="1 for what runs a network in a Python model: tensorrt, cuda or cpu",
        kind=pb_utils.MetricFamily.GAUGE,
    )
    metric = family.Metric(labels={"model": model, "runtime": runtime})
    metric.set(1)
    return family, metric


def text(value: object) -> np.ndarray:
    """Pack a JSON document into one TYPE_STRING element, shape (1,), dtype object."""
    return np.array([json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()], np.object_)


def octets(data: bytes) -> np.ndarray:
    """View bytes as a TYPE_UINT8 tensor, shape (len(data),)."""
    return np.frombuffer(data, np.uint8)


def _safely(requests: Sequence[Any], answer: Callable[[Any, Sequence[Any]], list[Any]]) -> list[Any]:
    """Answer requests, or refuse all of them; the only place where this file catches everything."""
    import triton_python_backend_utils as pb_utils

    try:
        return answer(pb_utils, requests)
    except Exception as error:
        return [_refusal(pb_utils, error) for _ in requests]


def _answer(pb_utils: Any, request: Any, function: Callable[..., Tensors], with_parameters: bool) -> Any:
    tensors: dict[str, Any] = {tensor.name(): tensor.as_numpy()[0] for tensor in request.inputs()}
    if with_parameters:
        tensors["parameters"] = json.loads(request.parameters() or "{}")
    outputs = function(**tensors)
    return _response(pb_utils, {name: array[np.newaxis] for name, array in outputs.items()})


def _sending(
    sender: _PartSender, function: Callable[..., Iterable[Tensors]]
) -> Callable[[Any, Sequence[Any]], list[Any]]:
    """Give what sends each part of the answer to a request as it comes."""

    def answer(pb_utils: Any, requests: Sequence[Any]) -> list[Any]:
        tensors = {tensor.name(): tensor.as_numpy() for tensor in requests[0].inputs()}
        try:
            for outputs in function(**tensors, is_cancelled=sender.is_cancelled):
                if not sender.is_cancelled():
                    sender.send(_response(pb_utils, outputs))
        except ImageError as error:
            raise StepFailed(f"{REFUSED}{error}", pb_utils.TritonError.INVALID_ARG) from error
        return []

    return answer


def _joined(pb_utils: Any, requests: Sequence[Any], function: Callable[[Tensors], Tensors]) -> list[Any]:
    inputs = [{tensor.name(): tensor.as_numpy() for tensor in request.inputs()} for request in requests]
    rows = [len(next(iter(tensors.values()))) for tensors in inputs]
    joined = {name: np.concatenate([tensors[name] for tensors in inputs]) for name in inputs[0]}
    outputs = function(joined)
    ends = np.cumsum(rows)
    return [
        _response(pb_utils, {name: array[end - count : end] for name, array in outputs.items()})
        for count, end in zip(rows, ends, strict=True)
    ]


def _response(pb_utils: Any, outputs: Tensors) -> Any:
    tensors = [pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in outputs.items()]
    return pb_utils.InferenceResponse(output_tensors=tensors)


def _refusal(pb_utils: Any, error: Exception) -> Any:
    """Name an image's fault to the caller; keep everything else to Triton's log.

    An exception that escaped `execute` would put its traceback, paths and values into the answer.
    """
    if isinstance(error, ImageError):
        fault = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
    elif isinstance(error, StepFailed):
        fault = pb_utils.TritonError(str(error), error.code)
    elif isinstance(error, MemoryError):
        pb_utils.Logger.log_error("out of memory in a model's own code")
        fault = pb_utils.TritonError(OUT_OF_MEMORY, pb_utils.TritonError.INTERNAL)
    else:
        # The exception's own text may quote what it choked on, so the log gets its type and place only.
        places = "".join(traceback.format_tb(error.__traceback__))
        pb_utils.Logger.log_error(f"{type(error).__name__} in a model's own code:\n{places}")
        fault = pb_utils.TritonError("the model failed", pb_utils.TritonError.INTERNAL)
    return pb_utils.InferenceResponse(error=fault)


def _step_error(pb_utils: Any, model: str, error: Any) -> Exception:
    """Tell whose fault it was, by the words: the code does not come through in Triton 24.10."""
    if error.message().startswith(REFUSED):
        return ImageError(error.message().removeprefix(REFUSED))
    if error.message() == OUT_OF_MEMORY:
        return StepFailed(OUT_OF_MEMORY, pb_utils.TritonError.INTERNAL)
    pb_utils.Logger.log_error(f"{model}: {error.message()}")
    return StepFailed(f"{model} is not available", pb_utils.TritonError.UNAVAILABLE)
