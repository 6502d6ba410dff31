"""The other side of `radgate bench chest-xray`: what one would write without a server.

One film after the other in one process: pydicom, the same ONNX graph in ONNX Runtime with its default
threads, OpenCV, reportlab; the same four files. Nothing is isolated, bounded, published at once or
checked. Run by the benchmark as a process of its own: reads a JSON list of films a line from standard input,
answers each with the seconds it took.
"""

import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pydicom
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

import gateway.imaging.dicom  # noqa: F401  (gives pydicom decoders for compressed films)
from gateway.imaging.chest_xray import FINDINGS


class Script:
    """The script's state: one session."""

    def __init__(self, model: Path) -> None:
        self.session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        self.size = self.session.get_inputs()[0].shape[-1]
        thresholds = json.loads(model.with_name("operating_points.json").read_text())["findings"]
        self.thresholds = np.array([thresholds[name]["threshold"] for name in FINDINGS])

    def assess(self, film: Path, folder: Path) -> None:
        """Assess one film and write its four files."""
        folder.mkdir(parents=True, exist_ok=True)
        dataset = pydicom.dcmread(film)
        source = _to_8_bit(dataset)
        logits, maps, _ = self.session.run(
            ["logits", "activation_maps", "chest_logit"], {"image": _square(source, self.size)}
        )
        probabilities = 1 / (1 + np.exp(-logits[0]))
        heatmap = _overlay(source, maps[0], probabilities >= self.thresholds)
        name = str(dataset.PatientID)
        images = (folder / f"{name}_source_image.png", folder / f"{name}_heatmap.png")
        cv2.imwrite(str(images[0]), source)
        cv2.imwrite(str(images[1]), heatmap)
        findings = [
            {"name": name, "presence": bool(p >= t), "confidence": round(float(p), 4)}
            for name, p, t in zip(FINDINGS, probabilities, self.thresholds, strict=True)
        ]
        (folder / f"{name}_predictions.json").write_text(json.dumps({"findings": findings}, indent=2))
        _report(folder / f"{name}_report.pdf", dataset, findings, source, heatmap)


def _to_8_bit(dataset: pydicom.Dataset) -> np.ndarray:
    pixels = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset).astype(np.float32)
    low, high = (
        np.percentile(pixels, (0.5, 99.5)) if "WindowCenter" not in dataset else (pixels.min(), pixels.max())
    )
    pixels = np.clip((pixels - low) / max(high - low, 1), 0, 1)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        pixels = 1 - pixels
    return np.asarray(pixels * 255, np.uint8)


def _square(source: np.ndarray, size: int) -> np.ndarray:
    rows, columns = source.shape
    side = max(rows, columns)
    top, left = (side - rows) // 2, (side - columns) // 2
    padded = cv2.copyMakeBorder(
        source, top, side - rows - top, left, side - columns - left, cv2.BORDER_CONSTANT
    )
    resized = cv2.resize(padded, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.float32)[np.newaxis, np.newaxis] / 255


def _overlay(source: np.ndarray, maps: np.ndarray, present: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(source, cv2.COLOR_GRAY2BGR)
    if not present.any():
        return np.asarray(grey)
    heat = (1 / (1 + np.exp(-maps[present].max(axis=0))) * 255).astype(np.uint8)
    side = max(source.shape)
    top, left = (side - source.shape[0]) // 2, (side - source.shape[1]) // 2
    heat = cv2.resize(heat, (side, side))[top : top + source.shape[0], left : left + source.shape[1]]
    return np.asarray(cv2.addWeighted(grey, 0.6, cv2.applyColorMap(heat, cv2.COLORMAP_TURBO), 0.4, 0))


def _report(
    path: Path,
    dataset: pydicom.Dataset,
    findings: list[dict[str, object]],
    source: np.ndarray,
    heatmap: np.ndarray,
) -> None:
    canvas = Canvas(str(path), pagesize=A4)
    canvas.drawString(50, 790, f"Chest X-ray report: {dataset.PatientID} {dataset.get('PatientName', '')}")
    for number, finding in enumerate(findings):
        canvas.drawString(50, 760 - 16 * number, f"{finding['name']}: {finding['confidence']}")
    for left, picture in ((50, source), (310, heatmap)):
        thumbnail = path.with_suffix(f".{left}.jpg")
        scale = 900 / max(picture.shape[:2])
        cv2.imwrite(
            str(thumbnail), cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        )
        canvas.drawImage(str(thumbnail), left, 250, 240, 240, preserveAspectRatio=True)
    canvas.save()
    for thumbnail in path.parent.glob("*.jpg"):
        thumbnail.unlink()


def main() -> None:
    """Answer each line, a JSON list of [film, folder] pairs, with the seconds it took."""
    script = Script(Path(sys.argv[1]))
    for line in sys.stdin:
        work = json.loads(line)
        started = time.perf_counter()
        for film, folder in work:
            script.assess(Path(film), Path(folder))
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
