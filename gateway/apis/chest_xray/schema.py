"""Bodies of the chest X-ray API, in its documentation's words, and its error body.

Every answer is the envelope `{"Result", "Data", "Message"}`. The messages are literal: clients match them.
"""

import json
from datetime import datetime
from typing import Any, NamedTuple

from aiohttp import web

from gateway.errors import GatewayError, InvalidImage, InvalidRequest, OutputFailed, UnsupportedMediaType
from gateway.jobs.engine import JobError, JobState, JobStatus

MAX_BODY_BYTES = 64 * 1024
MAX_PATIENT_ID_CHARACTERS = 64  # DICOM PS3.5 6.2, value representation LO

SUCCEEDED = "Inference completed successfully."
INTERNAL_ERROR = "Single Inference failed due to an internal error"
NOT_JSON = "Request body is not valid JSON"
NO_IMAGES = "No Dicom images found in the provided path"
BULK_SUCCEEDED = "Bulk inference completed successfully."
BULK_IN_VAIN = "Bulk inference completed, no image could be processed."
BULK_CANCELLED = "Bulk inference was cancelled."
BULK_INTERNAL_ERROR = "Bulk inference failed due to an internal error"
BULK_STATES = {
    JobState.QUEUED: "Bulk inference waits for its turn.",
    JobState.RUNNING: "Bulk inference is running.",
    JobState.SUCCEEDED: BULK_SUCCEEDED,
    JobState.FAILED: BULK_INTERNAL_ERROR,
    JobState.CANCELLED: BULK_CANCELLED,
}


class SingleInference(NamedTuple):
    """Body of `POST /single_inference`, both generations of it."""

    input_image_path: str
    output_folder_path: str | None
    """None only where nothing is to be saved."""
    save_to_disk: bool
    returns_data: bool
    """Whether the caller is of the generation that sends `save_to_disk` and reads `Data`."""
    patient_id: str | None
    """Used instead of the film's own PatientID."""


class BulkInference(NamedTuple):
    """Body of `POST /bulk_inference`; the last two are not of the contract."""

    input_folder_path: str
    output_folder_path: str
    manifest: bool | None = None
    resume: bool = False


def parse_single_inference(content_type: str, body: bytes) -> SingleInference:
    """Read the body of `POST /single_inference`, checking in the documentation's order.

    Raises
    ------
    UnsupportedMediaType
        Not JSON.
    InvalidRequest
        The documented sentence for the first field that is missing or wrong.
    """
    fields = _object(content_type, body)
    image_path = _path(fields, "input_image_path", "input_image_path is required in the request")
    returns_data = "save_to_disk" in fields
    save_to_disk = fields.get("save_to_disk", True)
    if not isinstance(save_to_disk, bool):
        raise InvalidRequest(
            f"Invalid value for save_to_disk, should be a boolean: {shown(save_to_disk)}",
            field="save_to_disk",
        )
    missing = "output_folder_path is required in the request"
    if returns_data:
        missing += " when save_to_disk is True"
    folder_path = _path(fields, "output_folder_path", missing) if save_to_disk else None
    return SingleInference(image_path, folder_path, save_to_disk, returns_data, _patient_id(fields))


def parse_bulk_inference(content_type: str, body: bytes) -> BulkInference:
    """Read the body of `POST /bulk_inference`, checking in the documentation's order.

    Raises
    ------
    UnsupportedMediaType
        Not JSON.
    InvalidRequest
        The documented sentence for the first field that is missing or wrong.
    """
    fields = _object(content_type, body)
    input_path, output_path = (
        _path(fields, name, f"{name} is required in the request")
        for name in ("input_folder_path", "output_folder_path")
    )
    manifest, resume = (_flag(fields, name) for name in ("manifest", "resume"))
    return BulkInference(input_path, output_path, manifest, bool(resume))


def _flag(fields: dict[str, Any], name: str) -> bool | None:
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise InvalidRequest(f"Invalid value for {name}, should be a boolean: {shown(value)}", field=name)


def _object(content_type: str, body: bytes) -> dict[str, Any]:
    if content_type != "application/json":
        raise UnsupportedMediaType(NOT_JSON)
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UnsupportedMediaType(NOT_JSON) from error
    return value if isinstance(value, dict) else {}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is Python's word, not JSON's")


def _path(fields: dict[str, Any], name: str, missing: str) -> str:
    value = fields.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise InvalidRequest(missing, field=name)
    if not isinstance(value, str):
        raise invalid_path(name, value)
    return value


def invalid_path(name: str, value: Any) -> InvalidRequest:
    """Build the documented refusal of a path that cannot be used."""
    return InvalidRequest(f"Invalid path {name}: {shown(value)}", field=name)


def output_failed(path: str, error: OutputFailed) -> OutputFailed:
    """Build the documented answer to a folder that cannot be written."""
    return OutputFailed(f"Unable to create output folder: {shown(path)}", errno=error.errno)


def _patient_id(fields: dict[str, Any]) -> str | None:
    value = fields.get("patient_id")
    if value is None:
        return None
    usable = isinstance(value, str) and value.strip() and value.isprintable()
    if not usable or len(value) > MAX_PATIENT_ID_CHARACTERS:
        raise InvalidRequest(f"Invalid patient_id: '{shown(value)}' in request body", field="patient_id")
    return str(value)


def shown(value: Any) -> str:
    """Repeat a caller's value in a message: text as it is, anything else as JSON, cut where it is long."""
    try:
        text = value if isinstance(value, str) else json.dumps(value)
    except RecursionError:  # read a few calls further up the stack than it is written
        text = "…"
    return text if len(text) <= 4096 else text[:4096] + "…"


def envelope(result: str, data: Any, message: str, *, status: int = 200) -> web.Response:
    """Answer in the documented envelope."""
    body = json.dumps({"Result": result, "Data": data, "Message": message}, ensure_ascii=False)
    # A caller's own value is repeated in messages, and may hold half a surrogate pair.
    encoded = body.encode(errors="replace")
    return web.Response(body=encoded, status=status, content_type="application/json", charset="utf-8")


def bulk_answer(status: JobStatus) -> web.Response:
    """Answer to who has waited for a bulk job's end."""
    if status.state is JobState.CANCELLED:
        return envelope("Warning", None, BULK_CANCELLED)
    if not status.result["done"]:
        return envelope("Warning", None, BULK_IN_VAIN)
    return envelope("Success", None, BULK_SUCCEEDED)


def bulk_status(status: JobStatus) -> dict[str, Any]:
    """Say how far a bulk job is; `found` is null until the folder is listed."""
    detail = status.detail or {}
    skipped, rate = detail.get("skipped", 0), detail.get("films_per_second", 0.0)
    left = None if status.total is None else status.total - status.done
    moves = status.state is JobState.RUNNING and left is not None and rate > 0
    return {
        "id": status.id,
        "state": status.state.value,
        "found": status.total,
        "done": status.done - status.failed - skipped,
        "skipped": skipped,
        "failed": status.failed,
        "films_per_second": rate,
        "remaining_seconds": round(left / rate, 1) if moves and left is not None else None,
        "cancel_requested": status.cancel_requested,
        "created_at": _text(status.created_at),
        "started_at": _text(status.started_at),
        "finished_at": _text(status.finished_at),
        "error": _shown_error(status.error),
    }


def bulk_status_answer(status: JobStatus, *, http_status: int = 200) -> web.Response:
    """Answer with a bulk job's status in `Data`."""
    return envelope("Success", bulk_status(status), BULK_STATES[status.state], status=http_status)


def _shown_error(error: JobError | None) -> str | None:
    if error is None:
        return None
    return error.message if error.code == OutputFailed.code else BULK_INTERNAL_ERROR


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(timespec="milliseconds")


def bulk_error_answer(error: GatewayError) -> web.Response:
    """Render an error of bulk inference."""
    return error_answer(error, internal_error=BULK_INTERNAL_ERROR)


def error_answer(error: GatewayError, internal_error: str = INTERNAL_ERROR) -> web.Response:
    """Render an error; what is not the caller's to mend is an internal error without its text."""
    callers_fault = isinstance(error, InvalidRequest) and not isinstance(error, InvalidImage)
    if callers_fault or isinstance(error, OutputFailed) or error.status in (401, 404):
        return envelope("Failure", None, error.message, status=error.status)
    return envelope("Failure", None, internal_error, status=500)
