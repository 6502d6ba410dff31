"""The work of `/v3/predict`: assess, charge, answer."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gateway.accounts.billing import Billing
from gateway.apis.vhs import answers
from gateway.apis.vhs.answers import Document
from gateway.apis.vhs.charges import Charge, Charges, Found
from gateway.apis.vhs.inference import Pipeline, Reading
from gateway.apis.vhs.photos import Bytes
from gateway.apis.vhs.schema import Asked
from gateway.errors import GatewayError, InvalidImage
from gateway.imaging.vhs.batch import BatchResult, summarize
from gateway.imaging.vhs.result import Assessment

LANDMARKS_MODELS = 5
"""Folds of the landmark network, which the contract counts as models."""


class Call(NamedTuple):
    """One valid call to a prediction endpoint."""

    asked: Asked
    charge: Charge
    deadline: float
    """On the event loop's clock."""


class Vhs:
    """The VHS API's work on pictures that are sent as such.

    Parameters
    ----------
    model_version
        Named in answers.
    """

    def __init__(self, pipeline: Pipeline, charges: Charges, *, model_version: str) -> None:
        self.pipeline = pipeline
        self.charges = charges
        self.model_version = model_version

    async def predict(self, call: Call) -> bytes:
        """Answer a call to `/v3/predict`, as JSON; a repeated call gets its first answer.

        Raises
        ------
        InvalidImage
            The one picture cannot be assessed.
        UnprocessableRequest, Conflict
            The Idempotency-Key is another call's.
        InferenceFailed, ModelUnavailable, InferenceTimeout
            No answer came; nothing was charged.
        """
        earlier = await self.charges.earlier_answer(call.charge)
        if earlier is not None:
            return earlier
        try:
            return await (self._batch(call) if call.asked.is_batch else self._single(call))
        except GatewayError:
            await self.charges.give_up(call.charge)
            raise

    async def _single(self, call: Call) -> bytes:
        (photo,) = call.asked.photos
        reading = await self.pipeline.assess(photo, deadline=call.deadline, render=call.asked.render)
        document = functools.partial(answers.single, reading.assessment)
        return await self._answer(call, found_in(reading.assessment), document, reading.rendered_png)

    async def _batch(self, call: Call) -> bytes:
        readings = [
            each async for each in self.pipeline.assess_all(call.asked.photos, deadline=call.deadline)
        ]
        result = summarize([assessment_of(each) for each in readings])
        png = await self._rendered(call, result)
        document = functools.partial(answers.batch, result, [_line(each) for each in readings])
        return await self._answer(call, found_in_all(result, readings), document, png)

    async def _rendered(self, call: Call, result: BatchResult) -> bytes:
        """Draw the best picture: which one that is, is known once all are assessed."""
        if not call.asked.render or result.best_photo_index is None:
            return b""
        best: Bytes = call.asked.photos[result.best_photo_index]
        return (await self.pipeline.assess(best, deadline=call.deadline, render=True)).rendered_png

    async def _answer(self, call: Call, found: Found, document: Callable[..., Document], png: bytes) -> bytes:
        history = await self.charges.history(call.charge)

        def answer(billing: Billing) -> bytes:
            known: dict[str, Any] = {"model_version": self.model_version, "history": history}
            return answers.encoded(document(**known, billing=billing, render=call.asked.render), png)

        return answer(await self.charges.settle(call.charge, found, answer))


def assessment_of(reading: Reading | InvalidImage) -> Assessment | None:
    """Give the assessment; None of what could not be assessed."""
    return reading.assessment if isinstance(reading, Reading) else None


def found_in(assessment: Assessment) -> Found:
    """Give what one picture's assessment means for its price."""
    return Found(assessment.result_code, assessment.vhs, assessment.vlas)


def found_in_all(result: BatchResult, readings: Sequence[Reading | InvalidImage]) -> Found:
    """Give what a batch means for its price: its best picture counts."""
    if result.best_photo_index is None:
        return Found(None, None, None)
    best = assessment_of(readings[result.best_photo_index])
    return Found(best.result_code if best else None, result.best_vhs, result.best_vlas)


def _line(reading: Reading | InvalidImage) -> Document:
    if isinstance(reading, Reading):
        return answers.photo(reading.assessment)
    return answers.unreadable_photo(reading.message)
