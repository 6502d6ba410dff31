"""What is answered: results, statuses, errors."""

import json
from datetime import datetime
from typing import Any

from aiohttp import web

from gateway.accounts.vault import Unreadable
from gateway.apis.maisi.schema import InvalidRun
from gateway.errors import (
    DatabaseUnavailable,
    GatewayError,
    InferenceFailed,
    InferenceTimeout,
    ModelUnavailable,
    OutOfMemory,
    OutputFailed,
    PeerFailed,
    PeerRefused,
    PeerUnavailable,
    UnprocessableRequest,
)
from gateway.jobs.engine import JobError, JobState, JobStatus

KIND = "maisi"
JOBS = "/v1/maisi/jobs"
RETRY_SECONDS = 30
INTERNAL_ERROR = "Failed to run inference."


class Impossible(UnprocessableRequest):
    """The model cannot make such a volume; its sentence is intact."""

    code = "impossible"


class NoSpace(OutputFailed):
    """The disk has no room for the volumes."""

    status = 507
    code = "no_space"


class UploadFailed(GatewayError):
    """The results were made, and could not be brought to where they were wanted."""

    status = 502
    code = "upload_failed"


class Left(GatewayError):
    """Whoever waited has closed the connection; nobody reads this answer."""

    status = 499  # nginx's word for it
    code = "caller_left"


class Gone(GatewayError):
    """The result was there, and has been removed."""

    status = 410
    code = "gone"


_CLASSES: dict[str, type[GatewayError]] = {
    each.code: each
    for each in (
        Impossible, NoSpace, OutputFailed, InferenceFailed, InferenceTimeout, ModelUnavailable, OutOfMemory,
        DatabaseUnavailable, PeerRefused, Unreadable,
    )
} | {PeerFailed.code: UploadFailed, PeerUnavailable.code: UploadFailed}  # fmt: skip


def error_of(job: JobStatus) -> GatewayError:
    """Give the error that a job failed by, to raise it to who waits."""
    error = job.error or JobError("internal_error", INTERNAL_ERROR)
    kind = _CLASSES.get(error.code)
    return GatewayError(INTERNAL_ERROR) if kind is None else kind(error.message)


def error_answer(error: GatewayError) -> web.Response:
    """Render an error as the original's framework does; what is wrong with a request as a list."""
    if isinstance(error, InvalidRun):
        detail: Any = error.faults
    elif isinstance(error, Impossible | PeerRefused):
        loc = ["body", "pre_signed_url"] if isinstance(error, PeerRefused) else ["body"]
        detail = [{"loc": loc, "msg": error.message, "type": "value_error"}]
    else:
        detail = INTERNAL_ERROR if type(error) is GatewayError else error.message
    # A caller's own value is repeated in messages, and may hold half a surrogate pair.
    body = json.dumps({"detail": detail}, ensure_ascii=False).encode(errors="replace")
    response = web.Response(body=body, status=error.status, content_type="application/json", charset="utf-8")
    if error.status in (503, 507):
        response.headers["Retry-After"] = str(error.retry_after_seconds or RETRY_SECONDS)
    return response


def result_headers(job: JobStatus) -> dict[str, str]:
    """Give what is said of the volumes beside them, in their order."""
    samples = job.result["samples"]
    return {
        "X-Maisi-Job": job.id,
        "X-Maisi-Seed": ",".join(str(each["seed"]) for each in samples),
        "X-Maisi-Quality": ",".join("passed" if each["quality_passed"] else "failed" for each in samples),
    }


def delivered_answer(job: JobStatus, *, uploaded: bool) -> web.Response:
    """Answer that the results are where they were wanted."""
    where = "uploaded to pre_signed_url" if uploaded else "saved to local_working_dir"
    samples = job.result["samples"]
    body = {
        "status": "success",
        "message": f"{len(samples)} samples were generated and {where}.",
        "files": ["output.zip"] if uploaded else job.result["files"],
        "samples": samples,
    }
    return web.json_response(body, headers=result_headers(job))


def accepted_answer(job: JobStatus) -> web.Response:
    """Answer that a request was taken and is worked on."""
    headers = {"Location": f"{JOBS}/{job.id}", "Preference-Applied": "respond-async"}
    return web.json_response(status_of(job), status=202, headers=headers)


def status_of(job: JobStatus) -> dict[str, Any]:
    """Say how far a job is."""
    detail = job.detail or {}
    is_running = job.state is JobState.RUNNING
    is_there = job.state is JobState.SUCCEEDED and job.result.get("is_kept")
    return {
        "id": job.id,
        "state": job.state.value,
        "phase": job.phase if is_running else None,
        "num_output_samples": job.total,
        "done": job.done,
        "sample": detail.get("sample") if is_running else None,
        "stage": detail.get("stage") if is_running else None,
        "step": detail.get("step") if is_running else None,
        "steps": detail.get("steps") if is_running else None,
        "cancel_requested": job.cancel_requested,
        "created_at": _text(job.created_at),
        "started_at": _text(job.started_at),
        "finished_at": _text(job.finished_at),
        "samples": job.result["samples"] if job.state is JobState.SUCCEEDED else None,
        "result": f"{JOBS}/{job.id}/result" if is_there else None,
        "error": _error(job),
    }


def _error(job: JobStatus) -> dict[str, Any] | None:
    if job.state is not JobState.FAILED:
        return None
    error = error_of(job)
    return {"code": error.code, "status": error.status, "message": error.message}


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(timespec="milliseconds")
