"""Films for bulk inference, and what must be true of their results."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pypdf import PdfReader

from tests.dicom_files import dicom_file, film

NIH = Path(__file__).parents[2].parent / "shared" / "data" / "nih"
SUFFIXES = ("heatmap.png", "predictions.json", "report.pdf", "source_image.png")


def make_films(folder: Path, count: int) -> None:
    """Write films of patients of their own, in folders of ten; from real ones where they are at hand."""
    real = sorted(NIH.glob("*.jpg"))
    for number in range(count):
        place = folder / f"{number // 10:03}"
        place.mkdir(parents=True, exist_ok=True)
        data = dicom_file(
            _real_film(real[number % len(real)]) if real else film(),
            PatientID=f"P{number:04}",
            SOPInstanceUID=f"1.2.826.{number + 1}",
            PatientName=f"N^{number}",
        )
        (place / f"film{number:04}.dcm").write_bytes(data)


def _real_film(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.uint16) * 16


def assert_every_set_is_complete(films: Path, output: Path) -> None:
    """Each film has its four files, all of that film."""
    expected = {}
    for path in sorted(films.rglob("*.dcm")):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        expected[header.PatientID] = header.SOPInstanceUID
    found = {each.name for each in output.iterdir() if each.is_dir() and not each.name.startswith(".")}
    assert found == set(expected)
    for name, uid in expected.items():
        assert_set_is_complete(output / name, uid)


def assert_set_is_complete(folder: Path, uid: str) -> None:
    name = folder.name
    assert sorted(os.listdir(folder)) == [f"{name}_{suffix}" for suffix in SUFFIXES]
    prediction = json.loads((folder / f"{name}_predictions.json").read_text())
    assert (prediction["metadata"]["patient_id"], prediction["metadata"]["sop_instance_uid"]) == (name, uid)
    assert name in PdfReader(folder / f"{name}_report.pdf").pages[0].extract_text()
    for picture in ("heatmap", "source_image"):
        assert (folder / f"{name}_{picture}.png").read_bytes().endswith(b"IEND\xaeB`\x82")


def assert_manifest_agrees(films: Path, output: Path) -> None:
    """One line for each film, and what it names is there."""
    lines = [json.loads(line) for line in (output / "bulk_manifest.jsonl").read_text().splitlines()]
    inputs = [line["input"] for line in lines]
    assert sorted(inputs) == sorted(str(path.relative_to(films)) for path in films.rglob("*.dcm"))
    for line in lines:
        assert line["outcome"] == "done", line
        assert all((output / each).is_file() for each in line["outputs"])
