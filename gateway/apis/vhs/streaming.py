"""The work of `/v3/predict/stream`: an event for each picture, in order, and one charge."""

from collections.abc import AsyncGenerator

from gateway.apis.vhs import answers, schema
from gateway.apis.vhs.inference import Reading
from gateway.apis.vhs.service import Call, Vhs, assessment_of, found_in_all
from gateway.errors import GatewayError, InvalidImage
from gateway.imaging.vhs.batch import summarize
from gateway.metrics import STREAM_DISCONNECTS
from gateway.web.sse import Event


class Stream:
    """One call's events.

    Charged before `summary` is sent. A caller who leaves sooner is charged where a picture with a valid
    measurement had been sent to it, for what had been sent.
    """

    def __init__(self, service: Vhs, call: Call) -> None:
        self._service = service
        self._call = call
        self._sent: list[Reading | InvalidImage] = []
        self._is_settled = False

    async def events(self) -> AsyncGenerator[Event, None]:
        """Give the events; the next one is only asked for when the last has been sent."""
        photos = self._call.asked.photos
        started = {"n_images": len(photos), "model_version": self._service.model_version}
        yield Event("processing_started", started)
        readings = self._service.pipeline.assess_all(photos, deadline=self._call.deadline)
        try:
            async for reading in readings:
                yield self._event(len(self._sent), reading)
                self._sent.append(reading)
        finally:
            await readings.aclose()
        yield await self._summary()

    async def left(self) -> None:
        """Settle with a caller who has left before the end."""
        STREAM_DISCONNECTS.labels(self._call.charge.endpoint).inc()
        result = summarize([assessment_of(each) for each in self._sent])
        if not self._is_settled and result.best_photo_index is not None:
            await self._service.charges.settle(self._call.charge, found_in_all(result, self._sent))

    def failed(self, error: GatewayError) -> Event:
        """Give the last event of a stream that cannot go on."""
        return Event("error", {"error": schema.error_text(error)})

    async def _summary(self) -> Event:
        result = summarize([assessment_of(each) for each in self._sent])
        self._is_settled = True
        found = found_in_all(result, self._sent)
        billing = await self._service.charges.settle(self._call.charge, found)
        return Event("summary", answers.summary(result, billing))

    def _event(self, index: int, reading: Reading | InvalidImage) -> Event:
        if isinstance(reading, Reading):
            n_total, version = len(self._call.asked.photos), self._service.model_version
            return Event("photo", answers.photo_event(reading.assessment, index, n_total, version))
        error = {"index": index, "uuid": self._call.asked.uuid, "error": reading.message}
        return Event("error", error)
