"""What the tests of results need: sources, answers of the ensembles, an independent validator."""

import functools
import io
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from gateway.imaging.results import Model, Stamp, encoded
from gateway.imaging.vhs.landmarks import LANDMARKS
from gateway.imaging.vhs.result import OPTIMAL, Assessment, Landmark
from tests.dicom_files import EXPLICIT, chest_header, dicom_file, film
from tests.fakes.triton import chest_xray_answer

AT = datetime(2026, 11, 20, 22, 5, 7, tzinfo=timezone.utc)
STAMP = Stamp("6b0c5a4fd5b14a0f9f3e6d7f3c5f2f10", AT)
VHS_MODEL = Model("vhs", "v0.1.0")

TOLERATED = (
    "Unrecognized defined term = <99RADGATE>",  # a private scheme, as PS3.3 8.2 has it
    "Retired Person Name form",  # the source's own
    "needed to build DICOMDIR",  # dates and ids that the source does not give
    "</(0008,001c)>",  # Synthetic Data is younger than Debian's dciodvfy
)
"""What dciodvfy warns of and is meant."""


def source(**attributes: Any) -> Dataset:
    """Give a film's header as it is read from a file; None takes an attribute away."""
    return pydicom.dcmread(io.BytesIO(source_file(**attributes)), stop_before_pixels=True)


def source_file(**attributes: Any) -> bytes:
    return dicom_file(film(), EXPLICIT, **{"StudyID": "S1", "AccessionNumber": "A1", **attributes})


def bare_source() -> Dataset:
    """Give a header with nothing in it but what an image cannot be without."""
    header = chest_header(Rows=40, Columns=30)
    for keyword in ("PatientID", "PatientName", "PatientSex", "PatientAge", "StudyDate", "Modality"):
        delattr(header, keyword)
    return header


def chest_outputs(file: bytes, *confidences: float) -> dict[str, np.ndarray]:
    """Give the `chest_xray` ensemble's outputs: its own steps around a network that says `confidences`."""
    return dict(_chest_answer(file, confidences))


@functools.cache
def _chest_answer(file: bytes, confidences: tuple[float, ...]) -> dict[str, np.ndarray]:
    answer = chest_xray_answer(confidences) if confidences else chest_xray_answer()
    return answer({"dicom": np.frombuffer(file, np.uint8)[np.newaxis]}, {})


def assessment(**changes: Any) -> dict[str, Any]:
    """Give the `vhs` ensemble's document."""
    points = (Landmark(name, 0.05 + 0.1 * i, 0.9 - 0.11 * i) for i, name in enumerate(LANDMARKS))
    measured = {"vhs": 10.3456, "vlas": 2.1049, "model_confidence": OPTIMAL, "prediction": tuple(points)}
    return Assessment(
        **{"result_code": 1, "image_width": 1, "image_height": 1, **measured, **changes}
    ).to_json()


def read_back(result: Dataset) -> Dataset:
    """Write a result and read the file."""
    return pydicom.dcmread(io.BytesIO(encoded(result)))


def require_valid(result: Dataset, folder: Path) -> None:
    """Hold a result against the standard with dciodvfy, which shares no code with us."""
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian's dicom3tools) is not installed")
    file = folder / "result.dcm"
    file.write_bytes(encoded(result))
    done = subprocess.run(["dciodvfy", "-new", str(file)], check=False, capture_output=True, text=True)
    said = (done.stdout + done.stderr).splitlines()
    faults = [line for line in said if line.startswith(("Error", "Warning"))]
    faults = [line for line in faults if not any(each in line for each in TOLERATED)]
    assert not faults, faults
    assert done.returncode == 0


def tree(item: Dataset) -> list[Any]:
    """Give an SR's content as nested lists: (concept, value, *children)."""
    value: Any = {
        "CODE": lambda: item.ConceptCodeSequence[0].CodeMeaning,
        "TEXT": lambda: item.TextValue,
        "NUM": lambda: (
            float(item.MeasuredValueSequence[0].NumericValue),
            item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue,
        ),
        "SCOORD": lambda: (item.GraphicType, tuple(item.GraphicData)),
        "IMAGE": lambda: item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID,
        "UIDREF": lambda: str(item.UID),
    }.get(item.ValueType, lambda: None)()
    children = [tree(each) for each in item.get("ContentSequence", ())]
    return [item.ConceptNameCodeSequence[0].CodeMeaning, value, *children]


def groups(report: Dataset) -> dict[str, list[Any]]:
    """Give a report's measurement groups by their tracking identifier."""
    measurements = next(each for each in tree(report)[2:] if each[0] == "Imaging Measurements")
    return {group[2][1]: group[2:] for group in measurements[2:]}


def said(group: list[Any], concept: str) -> Any:
    """Give what a group answers under a concept name; None if it says nothing."""
    return next((each[1] for each in group if each[0] == concept), None)


def comments(report: Dataset) -> list[str]:
    return [each[1] for part in tree(report)[2:] if part[0] == "Qualitative Evaluations" for each in part[2:]]
