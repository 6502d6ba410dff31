"""What one film of the vhs pipeline costs, stage by stage, on one core and without a server."""

import itertools
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence

import cv2

from gateway.imaging.picture import probe, read_picture
from gateway.imaging.vhs.assessment import View, assess
from gateway.imaging.vhs.drawing import annotated_png
from gateway.imaging.vhs.folds import Folds
from gateway.imaging.vhs.network_input import network_input
from gateway.settings import Settings
from gateway.triton.networks import Network

MAX_FILMS = 8


def stage_seconds(films: Sequence[bytes]) -> dict[str, float]:
    """Time probe, decode, window and letterbox, network, assessment and rendering; medians over films."""
    cv2.setNumThreads(1)
    network = Network(Settings().model_repository / "vhs_landmarks" / "1" / "model.onnx", threads=1)
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for film in list(dict.fromkeys(films))[:MAX_FILMS] * 2:
        for stage, taken in _time_film(film, network).items():
            seconds[stage].append(taken)
    return {stage: statistics.median(each) for stage, each in seconds.items()}


def _time_film(film: bytes, network: Network) -> dict[str, float]:
    times = [time.perf_counter()]

    def lap() -> None:
        times.append(time.perf_counter())

    probe(film)
    lap()
    picture = read_picture(film)
    lap()
    letterbox = network_input(picture.pixels)
    lap()
    output = network.run({"letterbox": letterbox[None]})
    lap()
    folds = Folds(*(output[name][0] for name in ("fold_landmarks", "fold_peaks", "fold_validity")))
    assessment = assess(folds, View.from_header(picture.header()))
    lap()
    annotated_png(picture.pixels, assessment)
    lap()
    stages = ("probe", "decode", "window and letterbox", "network", "assessment", "rendering and PNG")
    return dict(zip(stages, (after - before for before, after in itertools.pairwise(times)), strict=True))
