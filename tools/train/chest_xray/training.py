"""Train the chest X-ray classifier: findings by cross-validation and then on all films, and the gate."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from gateway.imaging.chest_xray import FINDINGS
from tools.train.chest_xray.films import Films, Thumbnails, folds, read_films, read_thumbnails

if TYPE_CHECKING:
    from tools.train.chest_xray.networks import ChestGate, FindingsNetwork

logger = logging.getLogger(__name__)

MODEL_VERSION = "v0.1.0"
FOLDS = 5
THUMBNAILS_TO_DRAW_ON = 2_000
HELD_OUT_THUMBNAILS = 4
"""One thumbnail in so many is kept for the gate's figures."""


class Effort(NamedTuple):
    """How long to train."""

    pretrain_steps: int = 200
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
    from tools.train.chest_xray.evaluate import cross_validate, figures_of, operating_points
    from tools.train.chest_xray.export import export
    from tools.train.chest_xray.features import extract
    from tools.train.chest_xray.head import fit_head
    from tools.train.chest_xray.networks import Classifier

    effort = effort or Effort()
    torch.manual_seed(seed)
    cv2.setNumThreads(1)  # its threads and torch's would wait for each other
    data = read(data_dir, seed)
    gate = train_gate(data, seed, effort)
    network = pretrain(data, seed, effort)
    features = extract(network, data.films.pixels, data.films.normal, seed)
    set_head(network, *fit_head(features, data.films, np.ones(len(data.fold), bool)), features.anatomy)
    export(Classifier(network, gate, len(FINDINGS)), output_dir / "model.onnx")
    passed = judge_gate(output_dir / "model.onnx", data)
    judged = cross_validate(features, data.films, data.fold)
    points = operating_points(judged)
    _write(output_dir / "operating_points.json", {"model_version": MODEL_VERSION, "findings": points})
    document = {"seed": seed, "effort": effort._asdict(), "gate": passed, **figures_of(judged, points)}
    _write(output_dir / "figures.json", document)
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
    from tools.train.chest_xray.gate import fit_gate
    from tools.train.chest_xray.gate_images import GateSources

    kept = [t.pixels[~held] for t, held in zip(data.thumbnails, data.held_out, strict=True)]
    sources = GateSources(data.films.pixels[data.fold != 0], kept[0], tuple(kept[1:]))
    return fit_gate(sources, seed, effort.gate_epochs)


def judge_gate(model: Path, data: Data) -> dict[str, Any]:
    """Count what the exported gate makes of the thumbnails and films that were kept from it."""
    from tools.train.chest_xray.gate_figures import gate_figures

    pairs = list(zip(data.thumbnails, data.held_out, strict=True))
    kept_apart = tuple(Thumbnails(t.name, t.pixels[held]) for t, held in pairs)
    learnt = data.thumbnails[0].pixels[~data.held_out[0]]
    return gate_figures(model, data.films.pixels[data.fold == 0], kept_apart, learnt)


def pretrain(data: Data, seed: int, effort: Effort) -> "FindingsNetwork":
    """Train the findings network on lesions drawn on thumbnails, which are of thousands of patients."""
    from tools.train.chest_xray import findings
    from tools.train.chest_xray.composites import backgrounds, enlarged

    chest = data.thumbnails[0].pixels[~data.held_out[0]][:THUMBNAILS_TO_DRAW_ON]
    return findings.pretrain(backgrounds(enlarged(chest)), seed, effort.pretrain_steps)


def set_head(network: "FindingsNetwork", weight: np.ndarray, bias: np.ndarray, anatomy: np.ndarray) -> None:
    """Put a head, float (12, 128) and (12,), into the network, and what it makes of the average film."""
    import torch

    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(weight)[:, :, None, None])
        network.head.bias.copy_(torch.from_numpy(bias))
        network.anatomy.copy_(torch.from_numpy(np.einsum("kc,crs->krs", weight, anatomy)))


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
