"""A film's four files, and the folder that they appear in. Everything here blocks."""

import base64
import contextlib
import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.apis.chest_xray import schema
from gateway.apis.chest_xray.films import Film, Prediction
from gateway.files.errors import PathMissing, PathRefused
from gateway.files.names import folder_name
from gateway.files.output_set import OutputSet
from gateway.files.reading import open_file, read_bounded
from gateway.files.roots import Roots

SUFFIXES = ("predictions.json", "heatmap.png", "source_image.png", "report.pdf")
MAX_PREDICTIONS_BYTES = 2**20


class Place(NamedTuple):
    """Where a film's four files go: `<folder>/<name>/<stem>_predictions.json` and so on."""

    folder: str
    name: str
    stem: str

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the four files, the marker of a complete set first."""
        return tuple(f"{self.stem}_{suffix}" for suffix in SUFFIXES)


def of_patient(folder: str, film: Film) -> Place:
    """Give the documented place: another film of the same patient takes it over."""
    name = folder_name(film.patient_id)
    return Place(folder, name, name)


def of_study(folder: str, film: Film) -> Place:
    """Give each film of a patient a set of its own."""
    return Place(folder, folder_name(film.patient_id), folder_name(film.sop_instance_uid))


def enter_output(stack: contextlib.ExitStack, roots: Roots, place: Place) -> OutputSet:
    """Open the folder for a patient's set of files; `stack` closes it, and takes back what failed.

    Raises
    ------
    InvalidRequest
        With the documented sentence, for a path that cannot be used.
    OutputFailed
        The folder cannot be written.
    """
    try:
        folder = stack.enter_context(roots.open_output_folder(place.folder))
    except (PathRefused, PathMissing) as error:
        raise schema.invalid_path("output_folder_path", place.folder) from error
    return stack.enter_context(OutputSet(folder, place.name, marker=place.files[0]))


def with_paths(prediction: dict[str, Any], place: Place) -> dict[str, Any]:
    """Complete the documented prediction with the absolute paths of its images."""
    # POSIX leaves a double slash at the start its own meaning, and normpath leaves it standing.
    folder = os.path.join("/" + os.path.normpath(place.folder).lstrip("/"), place.name)
    _, heatmap, source_image, _ = place.files
    return _in_order(prediction, os.path.join(folder, source_image), os.path.join(folder, heatmap))


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


class FileSet(NamedTuple):
    """The contents of a film's four files, in the order of `Place.files`."""

    predictions: bytes
    heatmap: bytes
    source_image: bytes
    report: bytes


def file_set(prediction: dict[str, Any], answer: Prediction, report: bytes) -> FileSet:
    """Gather the contents of the four files."""
    document = json.dumps(prediction, indent=2, ensure_ascii=False)
    return FileSet(document.encode(errors="replace"), answer.heatmap_png, answer.source_png, report)


def publish(output: OutputSet, place: Place, files: FileSet, before: Callable[[FileSet], None]) -> None:
    """Put the four files in place, all at once; `before` is called when all is written, none there."""
    for name, content in zip(place.files, files, strict=True):
        output.write(name, content)
    before(files)
    output.publish()


def is_complete(folder_fd: int, place: Place, film: Film) -> bool:
    """Tell whether a set of this very film stands in its place already, whole, and newer than the film."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with contextlib.ExitStack() as opened:
            fd = os.open(place.name, flags, dir_fd=folder_fd)
            opened.callback(os.close, fd)
            files = [opened.enter_context(open_file(fd, name)) for name in place.files]
            prediction = json.loads(read_bounded(files[0].fd, MAX_PREDICTIONS_BYTES))
            uid = prediction["metadata"]["sop_instance_uid"]
            is_newer = files[0].stat.st_mtime_ns >= film.file.stat.st_mtime_ns
            return bool(uid) and uid == film.sop_instance_uid and is_newer
    except (OSError, PathMissing, PathRefused, ValueError, KeyError, TypeError):
        return False
