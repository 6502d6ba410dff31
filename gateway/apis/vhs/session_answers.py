"""Answers of capture sessions: names and order of the contract."""

import json
from collections.abc import Mapping
from typing import Any

import pybase64

from gateway.accounts.billing import Billing
from gateway.apis.vhs import answers
from gateway.apis.vhs.answers import Document
from gateway.apis.vhs.session_store import LIMITS, TTL
from gateway.imaging.screen.frame_quality import FrameQuality, feedback
from gateway.imaging.vhs.result import Assessment
from gateway.storage.pop_sessions import SessionRow

ANOTHER = "Take another photo"
"""What to do where nothing is wrong with a frame."""


def ready(session_id: str, health: Mapping[str, Any]) -> Document:
    """Answer to a start.

    Parameters
    ----------
    health
        What `/v3/health` says.
    """
    return {
        "session_id": session_id,
        "session_status": "ready",
        "pop_pipeline_enabled": health["pop_pipeline_enabled"],
        "models_loaded": health["models_loaded"],
        "pop_models_loaded": health["pop_models_loaded"],
        "model_version": health["model_version"],
        "session_config": {
            "max_frames": LIMITS.frames,
            "max_consecutive_failures": LIMITS.consecutive_failures,
            "session_ttl_seconds": round(TTL.total_seconds()),
        },
    }


def going_on(
    session: SessionRow, assessment: Assessment, quality: FrameQuality | None, model_version: str
) -> Document:
    """Answer to a frame after which more are needed; `feedback` is for whoever holds the phone."""
    good = session.good_frames
    return {
        "session_id": session.id,
        "session_status": "continue",
        "reason": f"{good}/{LIMITS.good_frames} good frames so far, need more",
        "frame_index": session.frames - 1,
        "frames_processed": session.frames,
        "good_frames": good,
        "result_code": assessment.result_code,
        "result_description": assessment.result_description,
        "frame_result": {
            **answers.one_of_several(assessment),
            "pop_detected": assessment.pop_detected,
        },
        "model_version": model_version,
        "feedback": _instruction(assessment, quality),
    }


def _instruction(assessment: Assessment, quality: FrameQuality | None) -> str:
    is_radiograph_itself = assessment.landmarks_detected and not assessment.pop_detected
    return (None if is_radiograph_itself else feedback(quality)) or ANOTHER


def best_part(assessment: Assessment, *, film_jpeg: bytes, rendered_png: bytes, model_version: str) -> bytes:
    """Give the part of a session's last answer that its best frame decides, as members of a JSON object."""
    prediction = {**answers.measurement(assessment), "model_version": model_version, "rendered_image": None}
    return b"".join(
        (
            b'"rectified_image": "',
            pybase64.b64encode(film_jpeg),
            b'", "prediction": ',
            answers.encoded(prediction, rendered_png),
        )
    )


def complete(session: SessionRow, best: bytes, billing: Billing) -> bytes:
    """Give the last answer of a session that came to a measurement.

    Parameters
    ----------
    best
        From `best_part`.
    """
    head = {"session_id": session.id, "session_status": "complete", "frame_index": session.frames - 1}
    bill = json.dumps(answers.billing_of(billing)).encode()
    return b"".join((json.dumps(head).encode().removesuffix(b"}"), b", ", best, b', "billing": ', bill, b"}"))


def failed(session: SessionRow, billing: Billing) -> bytes:
    """Give the last answer of a session that came to none."""
    document = {
        "session_id": session.id,
        "session_status": "failed",
        "frame_index": session.frames,
        "error": session.failure,
        "billing": answers.billing_of(billing),
    }
    return json.dumps(document).encode()


def not_found(session_id: str) -> Document:
    """Answer to a frame of a session that is none of the caller's."""
    return {"session_id": session_id, "session_status": "failed", "error": "session_not_found"}
