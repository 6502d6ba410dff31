"""A film from a caller's path, and its four files into the patient's folder. Everything here blocks."""

import base64
import contextlib
import json
import os
from typing import Any, NamedTuple

from pydicom import Dataset

from gateway.apis.chest_xray import schema
from gateway.apis.chest_xray.schema import SingleInference
from gateway.errors import InvalidImage, InvalidRequest
from gateway.files.errors import FileTooLarge, PathMissing, PathRefused
from gateway.files.output_set import OutputSet
from gateway.files.reading import OpenedFile, read_bounded, read_prefix
from gateway.files.roots import Roots
from gateway.imaging.dicom import MAX_FILE_BYTES, MAX_HEADER_BYTES, read_header, read_patient_id
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
    return Film(file, _patient_id(file, path, asked.patient_id))


def _patient_id(file: OpenedFile, path: str, given: str | None) -> str:
    try:
        header = _header(file)
    except ImageError as error:
        message = f"Invalid DICOM image, unable to fetch patient ID: {schema.shown(path)}"
        raise InvalidRequest(message) from error
    patient_id = given or read_patient_id(header)
    if not patient_id:
        raise InvalidRequest(f"Patient ID is empty or None: {schema.shown(path)}")
    return patient_id


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
        It is larger than a film can be.
    """
    try:
        return read_bounded(file.fd, MAX_FILE_BYTES)
    except FileTooLarge as error:
        raise InvalidImage(error.message) from error


def enter_output(stack: contextlib.ExitStack, roots: Roots, path: str, name: str) -> OutputSet:
    """Open the folder for a patient's set of files; `stack` closes it, and takes back what failed.

    Raises
    ------
    InvalidRequest
        With the documented sentence, for a path that cannot be used.
    OutputFailed
        The folder cannot be written.
    """
    try:
        folder = stack.enter_context(roots.open_output_folder(path))
    except (PathRefused, PathMissing) as error:
        raise schema.invalid_path("output_folder_path", path) from error
    return stack.enter_context(OutputSet(folder, name, marker=f"{name}_predictions.json"))


def as_patient(answer: Prediction, patient_id: str) -> Prediction:
    """State the patient ID that names the folder, which the caller may have given."""
    metadata = {**answer.prediction["metadata"], "patient_id": patient_id}
    return answer._replace(prediction={**answer.prediction, "metadata": metadata})


def with_paths(prediction: dict[str, Any], folder: str, name: str) -> dict[str, Any]:
    """Complete the documented prediction with the absolute paths of its images."""
    # POSIX leaves a double slash at the start its own meaning, and normpath leaves it standing.
    stem = os.path.join("/" + os.path.normpath(folder).lstrip("/"), name, name)
    return _in_order(prediction, f"{stem}_source_image.png", f"{stem}_heatmap.png")


def with_images(answer: Prediction) -> dict[str, Any]:
    """Complete the documented prediction with the images themselves, PNG in base64."""
    images = (base64.b64encode(png).decode() for png in (answer.source_png, answer.heatmap_png))
    return _in_order(answer.prediction, *images)


def _in_order(prediction: dict[str, Any], source_image: str, heatmap: str) -> dict[str, Any]:
    """Put the keys in the documented order."""
    return {
        "result": prediction["result"],
        "findings": prediction["findings"],
        "source_image": source_image,
        "heatmap": heatmap,
        "metadata": prediction["metadata"],
    }


def publish(
    output: OutputSet, name: str, prediction: dict[str, Any], answer: Prediction, report: bytes
) -> None:
    """Put the four files in place, all at once."""
    document = json.dumps(prediction, indent=2, ensure_ascii=False)
    output.write(f"{name}_predictions.json", document.encode(errors="replace"))
    output.write(f"{name}_heatmap.png", answer.heatmap_png)
    output.write(f"{name}_source_image.png", answer.source_png)
    output.write(f"{name}_report.pdf", report)
    output.publish()
