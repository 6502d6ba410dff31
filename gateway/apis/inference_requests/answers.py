"""Answers: accepted, status, and problem details (RFC 9457), with the contract's titles and links."""

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from gateway.apis.inference_requests.binding import NotBound
from gateway.errors import (
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    GatewayError,
    InvalidRequest,
    NotFound,
    Unauthenticated,
    UnprocessableRequest,
)
from gateway.jobs.engine import JobState, JobStatus

KIND = "inference_request"
RETRIEVING = "retrieving"
HIGHEST = 256
"""A request's priority, from 0 to 255, and its job's, which is lower for what goes first, add up to this."""
REPEATED = "\x1f"
"""Stands between a transaction ID and what tells its second job from the first; none holds it."""
DUPLICATE = "An existing request with same transaction ID already exists."
_RFC7231 = "https://tools.ietf.org/html/rfc7231#section-"
_TYPES = {
    400: f"{_RFC7231}6.5.1",
    401: "https://tools.ietf.org/html/rfc7235#section-3.1",
    403: f"{_RFC7231}6.5.3",
    404: f"{_RFC7231}6.5.4",
    405: f"{_RFC7231}6.5.5",
    408: f"{_RFC7231}6.5.7",
    409: f"{_RFC7231}6.5.8",
    413: f"{_RFC7231}6.5.11",
    415: f"{_RFC7231}6.5.13",
    422: "https://tools.ietf.org/html/rfc4918#section-11.2",
    500: f"{_RFC7231}6.6.1",
    503: f"{_RFC7231}6.6.4",
}
_TITLES = {
    401: "Unauthorized",
    403: "Forbidden",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
}
_NAMESPACE = uuid.UUID("4b1a0f0e-8a0c-5c7e-bb0e-0b6d6a9d1c53")


class InvalidInferenceRequest(UnprocessableRequest):
    """The request says too little; the message is all sentences."""


class JobNotCreated(GatewayError):
    """The algorithm is not there."""


class UnknownRequest(NotFound):
    """No request has this id, or it is another account's."""


def accepted(status: JobStatus) -> web.Response:
    """Answer to a request that was accepted for good."""
    return _json(
        {"transactionId": transaction_id(status), "jobId": job_id(status), "payloadId": payload_id(status)}
    )


def status_answer(status: JobStatus) -> web.Response:
    """Answer with a request's status."""
    return _json(status_body(status))


def status_body(status: JobStatus) -> dict[str, Any]:
    """Say where a request stands: `dicom` tells of the retrieval, `platform` of the job."""
    health, state = _PLATFORM[status.state]
    return {
        "transactionId": transaction_id(status),
        "platform": {
            "jobId": job_id(status),
            "payloadId": payload_id(status),
            "status": health,
            "state": state,
            "priority": priority_word(HIGHEST - status.priority),
            "created": _instant(status.created_at),
            "started": _instant(status.started_at),
            "stopped": _instant(status.finished_at),
        },
        "dicom": _retrieval(status),
        "message": "\n".join(_messages(status)),
    }


def transaction_id(status: JobStatus) -> str:
    """Give the caller's own id."""
    return status.external_id.partition(REPEATED)[0]


def job_id(status: JobStatus) -> str:
    """Give the job's id as the contract writes it, without dashes."""
    return uuid.UUID(status.id).hex


def payload_id(status: JobStatus) -> str:
    """Give a second id, which the contract wants; nothing is kept under it."""
    return uuid.uuid5(_NAMESPACE, status.id).hex


def priority_word(priority: int) -> str:
    """Map a priority to the platform's word."""
    if priority == 255:
        return "Immediate"
    return "Normal" if priority == 128 else ("Lower" if priority < 128 else "Higher")


_PLATFORM = {
    JobState.QUEUED: ("Healthy", "Pending"),
    JobState.RUNNING: ("Healthy", "Running"),
    JobState.SUCCEEDED: ("Healthy", "Stopped"),
    JobState.FAILED: ("Faulted", "Stopped"),
    JobState.CANCELLED: ("Canceled", "Stopped"),
}


def _retrieval(status: JobStatus) -> dict[str, str]:
    is_over = status.phase not in ("", RETRIEVING) or status.state is JobState.SUCCEEDED
    if is_over:
        return {"state": "Completed", "status": "Success"}
    if status.ended:
        return {"state": "Completed", "status": "Fail"}
    running = status.state is JobState.RUNNING
    return {"state": "InProcess" if running else "Queued", "status": "Unknown"}


def _messages(status: JobStatus) -> list[str]:
    messages = list((status.detail or {}).get("messages", ()))
    if status.error is not None:
        messages.append(status.error.message)
    return messages


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")


def post_error_answer(error: GatewayError) -> web.Response:
    """Render an error of `POST /api/inference`."""
    return _error_answer(error, "Failed to save request")


def error_answer(error: GatewayError) -> web.Response:
    """Render an error of any other route."""
    return _error_answer(error, "Failed to retrieve inference request status.")


def _error_answer(error: GatewayError, internal: str) -> web.Response:
    if isinstance(error, NotBound):
        return _problem(400, error.message, errors=error.faults)
    if isinstance(error, InvalidInferenceRequest):
        return _problem(422, "Invalid request", error.message)
    if isinstance(error, UnknownRequest):
        return _problem(404, "Inference request not found.", "Unable to locate the specified request.")
    if isinstance(error, NotFound):
        return web.Response(status=404)  # no such path
    if isinstance(error, Conflict):
        return _problem(409, "Conflict", error.message)
    if isinstance(error, JobNotCreated):
        return _problem(500, "Failed to create job", error.message)
    if isinstance(error, InvalidRequest | Unauthenticated | Forbidden):
        return _problem(error.status, _TITLES.get(error.status, "Bad Request"), error.message)
    if isinstance(error, DatabaseUnavailable):
        answer = _problem(503, "Service Unavailable", error.message)
        answer.headers["Retry-After"] = str(error.retry_after_seconds or 1)
        return answer
    return _problem(500, internal, "internal error")


def _problem(
    status: int, title: str, detail: str | None = None, *, errors: Mapping[str, list[str]] | None = None
) -> web.Response:
    body: dict[str, Any] = {} if errors is None else {"errors": errors}
    body |= {"type": _TYPES.get(status, "about:blank"), "title": title, "status": status}
    if detail is not None:
        body["detail"] = detail
    body["traceId"] = f"|{uuid.uuid4()}."
    return _json(body, status=status, content_type="application/problem+json")


def _json(
    body: Mapping[str, Any], *, status: int = 200, content_type: str = "application/json"
) -> web.Response:
    # A caller's own value is repeated, and may hold half a surrogate pair.
    encoded = json.dumps(body, ensure_ascii=False).encode(errors="replace")
    return web.Response(body=encoded, status=status, content_type=content_type, charset="utf-8")
