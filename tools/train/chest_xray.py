"""Train the chest X-ray classifier: findings by cross-validation and then on all films, and the gate."""

import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from gateway.imaging.chest_xray import FINDINGS
from tools.train.chest.films import Films, Thumbnails, folds, read_films, read_thumbnails

if TYPE_CHECKING:
    from tools.train.chest.composites import Background
    from tools.train.chest.networks import ChestGate, FindingsNetwork

logger = logging.getLogger(__name__)

MODEL_VERSION = "v0.1.0"
FOLDS = 5
THUMBNAILS_TO_DRAW_ON = 2_000
HELD_OUT_THUMBNAILS = 4
"""One thumbnail in so many is kept for the gate's figures."""


class Effort(NamedTuple):
    """How long to train."""

    pretrain_steps: int = 200
    fine_tune_steps: int = 200
    gate_epochs: int = 5


class Data(NamedTuple):
    """Everything read, and what is kept apart."""

    films: Films
    fold: np.ndarray
    """int (N,): films of fold 0 are never shown to the gate."""
    thumbnails: tuple[Thumbnails, ...]
    """Chest films first."""
    held_out: tuple[np.ndarray, ...]
    """bool (N,) per class: thumbnails that nothing learns from."""


def train(data_dir: Path, output_dir: Path, seed: int = 0, effort: Effort | None = None) -> None:
    """Train the classifier and write `model.onnx`, `operating_points.json` and `figures.json`.

    Parameters
    ----------
    data_dir
        Folder with `nih/labels.csv` beside the films, and `mednist/mednist_subset.zip`.
    output_dir
        Where the files go; made if need be.
    seed
        The same seed, data, number of threads and version of torch give the same weights.
    effort
        How long to train.

    Raises
    ------
    SystemExit
        torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise SystemExit("training needs torch: pip install 'radgate[train]'") from error
    from tools.train.chest.export import export
    from tools.train.chest.findings import fine_tune
    from tools.train.chest.networks import Classifier

    effort = effort or Effort()
    torch.manual_seed(seed)
    cv2.setNumThreads(1)  # its threads and torch's would wait for each other
    data = read(data_dir, seed)
    gate = train_gate(data, seed, effort)
    start = pretrain(data, seed, effort)
    network = fine_tune(start, data.films, _normal(data.films), seed, effort.fine_tune_steps)
    export(Classifier(network, gate, len(FINDINGS)), output_dir / "model.onnx")
    points, figures = cross_validate(data, start, seed, effort)
    _write(output_dir / "operating_points.json", {"model_version": MODEL_VERSION, "findings": points})
    _write(output_dir / "figures.json", {"seed": seed, "effort": effort._asdict(), **figures})
    logger.info("written to %s", output_dir)


def read(data_dir: Path, seed: int) -> Data:
    """Read films and thumbnails and choose what is kept apart."""
    films = read_films(data_dir / "nih")
    thumbnails = read_thumbnails(data_dir / "mednist" / "mednist_subset.zip")
    generator = np.random.default_rng(seed)
    held_out = tuple(
        generator.permutation(len(t.pixels)) < len(t.pixels) // HELD_OUT_THUMBNAILS for t in thumbnails
    )
    return Data(films, folds(films.labels, FOLDS, seed), thumbnails, held_out)


def train_gate(data: Data, seed: int, effort: Effort) -> "ChestGate":
    """Train the gate on all but the held-out thumbnails and the films of fold 0."""
    from tools.train.chest.gate import fit_gate
    from tools.train.chest.gate_images import GateSources

    kept = [t.pixels[~held] for t, held in zip(data.thumbnails, data.held_out, strict=True)]
    sources = GateSources(data.films.pixels[data.fold != 0], kept[0], tuple(kept[1:]))
    return fit_gate(sources, seed, effort.gate_epochs)


def pretrain(data: Data, seed: int, effort: Effort) -> "FindingsNetwork":
    """Train the findings network on lesions drawn on thumbnails, which are of thousands of patients."""
    from tools.train.chest import findings
    from tools.train.chest.composites import backgrounds, enlarged

    chest = data.thumbnails[0].pixels[~data.held_out[0]][:THUMBNAILS_TO_DRAW_ON]
    return findings.pretrain(backgrounds(enlarged(chest)), seed, effort.pretrain_steps)


def cross_validate(
    data: Data, start: "FindingsNetwork", seed: int, effort: Effort
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train anew without each fold in turn, as the shipped network was trained on all films.

    Returns
    -------
    The operating points by finding, and the figures.
    """
    from tools.train.chest.evaluate import figures_of, judge, operating_points
    from tools.train.chest.findings import fine_tune

    judged = []
    for fold in range(FOLDS):
        began = time.monotonic()
        learnt = _chosen(data.films, data.fold != fold)
        network = fine_tune(start, learnt, _normal(learnt), seed + fold, effort.fine_tune_steps)
        judged.append(judge(network, _chosen(data.films, data.fold == fold), seed + fold))
        logger.info("fold %d of %d: %.0f s", fold + 1, FOLDS, time.monotonic() - began)
    points = operating_points(judged)
    return points, figures_of(judged, points)


def _chosen(films: Films, chosen: np.ndarray) -> Films:
    return Films(*(values[chosen] for values in films))


def _normal(films: Films) -> "list[Background]":
    """Give the films without findings, to draw on."""
    from tools.train.chest.composites import backgrounds

    return backgrounds(films.pixels[films.normal])


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
