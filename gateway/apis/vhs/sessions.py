"""Capture sessions: frames of a photographed screen until three are good, the best of which is answered.

A frame takes the session (one statement), is looked at without any lock, and is counted (one statement),
which also decides whether the session ends. From there on whatever is missing can be made up by any
gateway that is asked again: the charge is one event of the session's name, the answer is the one that is
kept first.
"""

import asyncio
import json
from typing import NamedTuple

import numpy as np

from gateway.accounts.billing import Caller, patient_digest
from gateway.apis.vhs import session_answers
from gateway.apis.vhs.charges import Charge, Charges, Found
from gateway.apis.vhs.inference import Pipeline, Reading
from gateway.apis.vhs.photos import Bytes
from gateway.apis.vhs.screen_schema import Frame
from gateway.apis.vhs.screens import Look, Rectifier, Screens
from gateway.apis.vhs.session_store import FRAME, Place, SessionStore
from gateway.imaging.screen.frame_quality import FrameQuality, motion_of
from gateway.imaging.vhs.result import REVIEW, Assessment
from gateway.metrics import POP_SESSIONS
from gateway.storage.pop_sessions import ACTIVE, COMPLETE, Measured, SessionRow

ENDPOINT = "/v3/pop-session"
MARGIN_SECONDS = 10.0
"""Between the end of a frame's work and the moment when the next one may take its place."""


class FrameCall(NamedTuple):
    """One valid call to `/v3/pop-session`."""

    frame: Frame
    caller: Caller
    deadline: float
    """On the event loop's clock."""


class Seen(NamedTuple):
    """What one frame gave."""

    assessment: Assessment
    measured: Measured
    quality: FrameQuality | None
    best: bytes | None
    """What is kept of it; None unless it is better than those before."""


NOTHING = Found(None, None, None)


class Sessions:
    """The work of `/v3/pop-session`.

    Parameters
    ----------
    model_version
        Named in answers.
    """

    def __init__(
        self,
        store: SessionStore,
        pipeline: Pipeline,
        screens: Screens,
        rectifier: Rectifier,
        charges: Charges,
        *,
        model_version: str,
    ) -> None:
        self.store = store
        self._pipeline = pipeline
        self._screens = screens
        self._rectifier = rectifier
        self._charges = charges
        self._model_version = model_version

    async def frame(self, call: FrameCall) -> bytes:
        """Answer to a frame, as JSON; a session that has ended gives its last answer again.

        Raises
        ------
        SessionNotFound, Conflict, InvalidRequest
            As `SessionStore.begin_frame`.
        InvalidImage
            The frame cannot be assessed; it does not count, as with the errors below.
        InferenceFailed, ModelUnavailable, InferenceTimeout
            No assessment came.
        """
        patient = patient_digest(call.caller, call.frame.uuid)
        place = await self.store.begin_frame(call.caller.account, call.frame.session_id, patient)
        if place.token is None:
            return await self._charges.to_its_end(self._last_answer(call.caller, place.session))
        seen = await self._see(call, place)
        return await self._charges.to_its_end(self._counted(call.caller, place, seen, patient))

    async def _see(self, call: FrameCall, place: Place) -> Seen:
        latest = asyncio.get_running_loop().time() + FRAME.total_seconds() - MARGIN_SECONDS
        is_done = False
        try:
            seen = await self._look(call.frame.photo, place.session, min(call.deadline, latest))
            is_done = True
        finally:
            if not is_done:
                await self._charges.to_its_end(self.store.give_back(place))
        return seen

    async def _look(self, photo: Bytes, session: SessionRow, deadline: float) -> Seen:
        reading = await self._pipeline.assess(photo, deadline=deadline, render=True)
        look = await self._screens.look(photo, deadline=deadline, quality=True)
        measured = _measured(reading.assessment, look)
        best = None
        if measured.is_good and _is_better(measured, session):
            best = await self._kept(photo, reading, look, deadline)
        return Seen(reading.assessment, measured, _with_motion(look, session), best)

    async def _kept(self, photo: Bytes, reading: Reading, look: Look, deadline: float) -> bytes:
        is_photo = reading.assessment.pop_detected and look.corners is not None
        corners = look.corners if is_photo else look.corners_of_all
        film = await self._rectifier.rectify(photo, corners, deadline=deadline)
        return session_answers.best_part(
            reading.assessment,
            film_jpeg=film.jpeg,
            rendered_png=reading.rendered_png,
            model_version=self._model_version,
        )

    async def _counted(self, caller: Caller, place: Place, seen: Seen, patient: str | None) -> bytes:
        session = await self.store.count_frame(place, seen.measured, patient_sha256=patient, best=seen.best)
        if session.state != ACTIVE:
            return await self._last_answer(caller, session)
        document = session_answers.going_on(session, seen.assessment, seen.quality, self._model_version)
        return json.dumps(document).encode()

    async def _last_answer(self, caller: Caller, session: SessionRow) -> bytes:
        """Give the answer of a session that has ended; charge and put it together where there is none yet."""
        if (kept := await self.store.answer(session)) is not None:
            return kept
        if session.state != COMPLETE:
            return await self._end(caller, session, None)
        best = await self.store.best(session)
        if best is None:  # another gateway was quicker
            return await self.store.answer(session) or b""
        return await self._end(caller, session, best)

    async def _end(self, caller: Caller, session: SessionRow, best: bytes | None) -> bytes:
        found = Found(session.best_result_code, session.best_vhs, session.best_vlas)
        billing = await self._charges.settle(_charge(caller, session), found if best else NOTHING)
        POP_SESSIONS.labels(session.failure or COMPLETE).inc()
        body = (
            session_answers.failed(session, billing)
            if best is None
            else session_answers.complete(session, best, billing)
        )
        return await self.store.keep_answer(session, body)


def _charge(caller: Caller, session: SessionRow) -> Charge:
    """Name a session's one event."""
    return Charge(
        caller,
        ENDPOINT,
        "session",
        uuid=None,
        event_id=f"pop:{session.id}",
        patient_sha256=session.patient_sha256,
    )


def _measured(assessment: Assessment, look: Look) -> Measured:
    return Measured(
        result_code=assessment.result_code,
        vhs=assessment.vhs,
        vlas=assessment.vlas,
        spread=assessment.spread,
        is_good=is_good(assessment),
        has_landmarks=assessment.landmarks_detected,
        corners=None if look.corners is None else json.dumps(_shares(look, look.corners).tolist()),
    )


def is_good(assessment: Assessment) -> bool:
    """Tell whether a frame counts among those that complete a session."""
    return (
        assessment.landmarks_detected
        and assessment.model_confidence != REVIEW
        and assessment.axes_perpendicular
    )


def _is_better(measured: Measured, session: SessionRow) -> bool:
    """Tell whether a good frame is better than those before; the statement that counts it decides."""
    return session.best_spread is None or (measured.spread or 0.0) < session.best_spread


def _shares(look: Look, corners: list[list[float]]) -> np.ndarray:
    """Give corners as shares of width and height, float64 (4, 2)."""
    return np.array(corners, np.float64) / (look.width, look.height)


def _with_motion(look: Look, session: SessionRow) -> FrameQuality | None:
    """Add to a frame's measures how far the screen moved since the session's last frame."""
    if look.quality is None or look.corners is None or session.corners is None:
        return look.quality
    before = np.array(json.loads(session.corners), np.float64)
    return look.quality._replace(motion=motion_of(_shares(look, look.corners), before))
