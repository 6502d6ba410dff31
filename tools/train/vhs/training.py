"""Train the landmark network: draw films, fit five folds, write the graph, and measure it."""

import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from tools.train.vhs import pool
from tools.train.vhs.batches import Films, Stage, deal
from tools.train.vhs.layout import FOLDS, SIDE
from tools.train.vhs.others import real_negatives

logger = logging.getLogger(__name__)

MODEL_VERSION = "v0.7.0"
HELD_OUT_SEED = 0
"""Of the films to measure on: the same for every training, so that two can be compared. No training draws
any of them, as their purposes are part of their seeds."""


class Effort(NamedTuple):
    """How much to draw and how long to train; steps are of two batches of `rows` each."""

    films: int = 4000
    negatives: int = 1200
    held_out: int = 300
    first_steps: int = 1350
    first_rows: int = 30
    small_steps: int = 1500
    small_rows: int = 15
    steps: int = 1700
    taken_steps: int = 200
    last_steps: int = 800
    rows: int = 10
    photographed: int = 0
    """Films seen through photos of screens, beside the others."""


FURTHER = Effort(films=2400, photographed=3000, negatives=600, steps=1900)
"""When a graph is trained further: there is one stage then, of `steps`."""


def train(
    data_dir: Path | None,
    output_dir: Path,
    seed: int = 0,
    effort: Effort | None = None,
    go_on_from: Path | None = None,
) -> None:
    """Train the landmark network and write `model.onnx`, `operating_points.json` and `figures.json`.

    Parameters
    ----------
    data_dir
        Folder with `nih/` and `mednist/mednist_subset.zip`: more pictures that are no thoraces of dogs.
        None leaves them out.
    output_dir
        Where the files go; made if need be. Drawn films stay below `films/` for the next run.
    seed
        The same seed, data and version of torch give the same weights.
    effort
        How long to train; None: as the shipped weights were.
    go_on_from
        A graph of this network to train further, rather than a new one from scratch.

    Raises
    ------
    SystemExit
        torch is not installed.
    ValueError
        The graph to go on from is of another network.
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise SystemExit("training needs torch: pip install 'radgate[train]'") from error
    from tools.train.restore import restore
    from tools.train.vhs.export import export
    from tools.train.vhs.fit import fit
    from tools.train.vhs.networks import LandmarkNetwork

    effort = effort or (FURTHER if go_on_from else Effort())
    cv2.setNumThreads(1)  # its threads and torch's would wait for each other
    restored = restore(go_on_from, LandmarkNetwork()) if go_on_from else None
    stages = stages_of(effort, anew=restored is None)
    network = fit(draw(data_dir, output_dir, seed, effort), seed, stages, restored)
    export(network, output_dir / "model.onnx")
    _write(output_dir / "operating_points.json", {"model_version": MODEL_VERSION, "folds": FOLDS})
    _write(
        output_dir / "figures.json",
        {"seed": seed, "effort": effort._asdict(), **judge(output_dir, effort)},
    )
    logger.info("written to %s", output_dir)


def stages_of(effort: Effort, *, anew: bool) -> tuple[Stage, ...]:
    """Give the parts of the fit, of a new network or of one that a graph was restored to."""
    if not anew:
        return (
            Stage(
                SIDE,
                effort.rows,
                4,
                effort.steps,
                3e-4,
                guided=True,
                as_taken=0.5,
                decoded=True,
                settled=True,
            ),
        )
    return (
        Stage(SIDE // 2, effort.first_rows, 2, effort.first_steps, 2e-3),
        Stage(SIDE // 2, effort.small_rows, 2, effort.small_steps, 2e-3, guided=True),
        Stage(SIDE, effort.rows, 2, effort.steps, 1.5e-3, guided=True),
        Stage(SIDE, effort.rows, 2, effort.taken_steps, 5e-4, guided=True, as_taken=0.7),
        Stage(SIDE, effort.rows, 2, effort.last_steps, 1e-3, guided=True, as_taken=0.7),
    )


def draw(data_dir: Path | None, output_dir: Path, seed: int, effort: Effort) -> Films:
    """Draw the films to learn from, and read the real pictures that are none."""
    drawn = output_dir / "films"
    thoraces = pool.pool(drawn, seed, pool.TRAINING, effort.films)
    if effort.photographed:
        thoraces = thoraces.joined(pool.pool(drawn, seed, pool.PHOTOGRAPHED, effort.photographed))
    negatives = [pool.pool(drawn, seed, pool.NEGATIVE, effort.negatives)]
    if data_dir:
        negatives.append(real_negatives(data_dir).part(learnt=True))
    return Films(thoraces, tuple(negatives), deal(len(thoraces.sizes), seed))


def judge(output_dir: Path, effort: Effort) -> dict[str, Any]:
    """Measure the exported graph on films that no training draws, of an unseen style, and on spoilt ones."""
    from tools.train.vhs import evaluate

    graph, drawn = evaluate.Graph(output_dir / "model.onnx"), output_dir / "films"
    purposes = {"held out": pool.HELD_OUT, "unseen style": pool.UNSEEN}
    films = {
        name: evaluate.films_of(pool.pool(drawn, HELD_OUT_SEED, purpose, effort.held_out))
        for name, purpose in purposes.items()
    }
    for name, spoil in evaluate.SPOILT.items():
        generator = np.random.default_rng([HELD_OUT_SEED, len(films)])
        films[name] = [spoil(film, generator) for film in films["held out"][: effort.held_out // 3]]
    readings = {name: [graph.read(film) for film in each] for name, each in films.items()}
    return {
        "sets": {name: evaluate.figures_of(each) for name, each in readings.items()},
        "confidence": {name: evaluate.tiers_of(each) for name, each in readings.items()},
        "confidence of all": evaluate.tiers_of([reading for each in readings.values() for reading in each]),
        "negatives": evaluate.passed(
            graph, pool.pool(drawn, HELD_OUT_SEED, pool.HELD_OUT_NEGATIVE, effort.held_out)
        ),
    }


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
