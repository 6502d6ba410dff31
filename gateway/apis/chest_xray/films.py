"""A film from a caller's path. Everything here blocks."""

import contextlib
import os
from typing import Any, NamedTuple

from pydicom import Dataset

from gateway.apis.chest_xray import schema
from gateway.apis.chest_xray.schema import SingleInference
from gateway.errors import InvalidImage, InvalidRequest
from gateway.files.errors import FileTooLarge, PathMissing, PathRefused
from gateway.files.folder import open_listed
from gateway.files.reading import OpenedFile, read_bounded, read_prefix
from gateway.files.roots import Roots
from gateway.imaging.dicom import MAX_FILE_BYTES, MAX_HEADER_BYTES, read_header, read_patient_id
from gateway.imaging.dicom.study import study_of
from gateway.imaging.errors import ImageError

USUAL_HEADER_BYTES = 256 * 1024


class Prediction(NamedTuple):
    """What the `chest_xray` ensemble gives for one film."""

    prediction: dict[str, Any]
    """The documented prediction, without the two image paths."""
    study: dict[str, Any]
    """What the report states beyond it."""
    heatmap_png: bytes
    source_png: bytes
    heatmap_jpeg: bytes
    source_jpeg: bytes
    seconds: float


class Film(NamedTuple):
    """A DICOM file that passed the documented checks."""

    file: OpenedFile
    patient_id: str
    sop_instance_uid: str = ""


def open_film(opened: contextlib.ExitStack, roots: Roots, asked: SingleInference) -> Film:
    """Open a film and check it in the documented order; `opened` closes it.

    Raises
    ------
    InvalidRequest
        With the documented sentence of rows 3 to 7.
    """
    path = asked.input_image_path
    try:
        file = opened.enter_context(roots.open_input(path))
    except PathRefused as error:
        raise schema.invalid_path("input_image_path", path) from error
    except PathMissing as error:
        raise InvalidRequest(f"Input image path does not exist: {schema.shown(path)}") from error
    if not path.lower().endswith(".dcm"):
        raise InvalidRequest(f"Requested image is not a DICOM file: {schema.shown(path)}")
    return _film(file, path, asked.patient_id)


def open_listed_film(opened: contextlib.ExitStack, folder_fd: int, name: str) -> Film:
    """Open a film that `walk_files` found and check it in the same way; `opened` closes it.

    Raises
    ------
    InvalidRequest, OSError
        It cannot be read, or not be assessed.
    """
    return _film(opened.enter_context(open_listed(folder_fd, name)), name, None)


def _film(file: OpenedFile, path: str, given: str | None) -> Film:
    try:
        header = _header(file)
    except ImageError as error:
        message = f"Invalid DICOM image, unable to fetch patient ID: {schema.shown(path)}"
        raise InvalidRequest(message) from error
    patient_id = given or read_patient_id(header)
    if not patient_id:
        raise InvalidRequest(f"Patient ID is empty or None: {schema.shown(path)}")
    return Film(file, patient_id, study_of(header).sop_instance_uid)


def _header(file: OpenedFile) -> Dataset:
    """Read the header out of the file's beginning; only a header with an icon in it takes a second look."""
    try:
        return read_header(read_prefix(file.fd, USUAL_HEADER_BYTES))
    except ImageError:
        if file.size <= USUAL_HEADER_BYTES:
            raise
        return read_header(read_prefix(file.fd, MAX_HEADER_BYTES))


def read_film(file: OpenedFile) -> bytes:
    """Read the whole film.

    Raises
    ------
    InvalidImage
        It is larger than a film can be, or has changed since its header was read.
    """
    try:
        data = read_bounded(file.fd, MAX_FILE_BYTES)
    except FileTooLarge as error:
        raise InvalidImage(error.message) from error
    now = os.fstat(file.fd)
    if (now.st_size, now.st_mtime_ns, len(data)) != (file.size, file.stat.st_mtime_ns, file.size):
        raise InvalidImage("The file changed while it was read")
    return data


def as_patient(answer: Prediction, patient_id: str) -> Prediction:
    """State the patient ID that names the folder, which the caller may have given."""
    metadata = {**answer.prediction["metadata"], "patient_id": patient_id}
    return answer._replace(prediction={**answer.prediction, "metadata": metadata})
