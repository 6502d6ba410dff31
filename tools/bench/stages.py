"""What one film costs, stage by stage, on one core and without a server."""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2

from gateway.apis.chest_xray.reports import content_of
from gateway.files.output_set import OutputSet
from gateway.files.roots import Roots
from gateway.imaging.chest_xray_steps import INPUT_SIZE_PX, conclude, load_model, thumbnail
from gateway.imaging.dicom import read_image, stored_values
from gateway.imaging.dicom.study import study_of
from gateway.imaging.png import encode_png
from gateway.imaging.radiograph import render_radiograph, square_input
from gateway.imaging.report import build_report, warm_up
from gateway.settings import Settings
from gateway.triton.networks import Network

MAX_FILMS = 8


class _Stopwatch:
    def __init__(self) -> None:
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self._started = 0.0

    def start(self) -> None:
        self._started = time.perf_counter()

    def stop(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage].append(now - self._started)
        self._started = now


def stage_seconds(films: Sequence[Path]) -> dict[str, float]:
    """Time decode, preprocess, network, postprocess, PNG, JPEG, PDF and write; medians over films."""
    cv2.setNumThreads(1)
    warm_up()
    folder = Settings().model_repository / "chest_xray_classifier" / "1"
    network = Network(folder / "model.onnx", threads=1)
    model = load_model(folder)
    watch = _Stopwatch()
    with tempfile.TemporaryDirectory(prefix="radgate-bench-") as output:
        for film in list(dict.fromkeys(films))[:MAX_FILMS]:
            _time_film(film.read_bytes(), network, model, Path(output), watch)
    medians = {stage: statistics.median(seconds) for stage, seconds in watch.seconds.items()}
    medians["preprocess"] -= medians["decode"]  # rendering decodes, too
    return medians


def _time_film(dicom: bytes, network: Network, model: Any, output: Path, watch: _Stopwatch) -> None:
    watch.start()
    stored_values(read_image(dicom))
    watch.stop("decode")
    dataset = read_image(dicom)
    film = render_radiograph(dataset)
    image = square_input(film.pixels, INPUT_SIZE_PX)
    header = {**study_of(dataset)._asdict(), "notes": list(film.notes)}
    watch.stop("preprocess")
    result = {name: array[0] for name, array in network.run({"image": image[None]}).items()}
    watch.stop("network")
    answer = conclude(model, **result, source_image=film.pixels, header=header, gate=False)
    watch.stop("postprocess")
    images = {"heatmap.png": encode_png(answer.heatmap), "source_image.png": encode_png(film.pixels)}
    watch.stop("PNG")
    source_jpeg, heatmap_jpeg = thumbnail(film.pixels), thumbnail(answer.heatmap)
    watch.stop("JPEG")
    now = datetime.now(timezone.utc)
    content = content_of(
        answer.prediction,
        answer.study,
        source_jpeg=source_jpeg,
        heatmap_jpeg=heatmap_jpeg,
        report_id="1",
        generated_at=now,
    )
    report = build_report(content)
    watch.stop("PDF")
    with (
        Roots().open_output_folder(str(output)) as folder,
        OutputSet(folder, "film", marker="a.json") as files,
    ):
        for name, data in {"a.json": b"{}", "report.pdf": report, **images}.items():
            files.write(name, data)
        files.publish()
    watch.stop("write")
