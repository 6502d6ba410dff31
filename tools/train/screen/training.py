"""Train the corner network, one start and then five folds apart, and the sides' network on what it finds."""

import copy
import json
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from tools.train.screen.augment import Batch, batch
from tools.train.screen.pool import Pool, render

if TYPE_CHECKING:
    from torch import Tensor

    from tools.train.screen.networks import CornerNetwork, Found

logger = logging.getLogger(__name__)

FOLDS = 5
BATCH = 32
HELD_OUT_SEED = 1_000_003
"""Added to the seed of what is only judged."""
SIDES_SEED = 5_500_000
"""Added to the seed of the photos for the sides' network: on those that the corner network learnt from, it
errs less than it will."""


class Effort(NamedTuple):
    """How much to render and how long to train."""

    photos: int = 15_000
    judged: int = 1_500
    start_steps: int = 3_000
    fold_steps: int = 1_500
    rate: float = 2e-3
    side_photos: int = 8_000
    """Larger ones, for the sides' network."""
    side_steps: int = 6_000


FURTHER = Effort(fold_steps=250, rate=1e-3)
"""When graphs are trained further: there is no common start then."""


def train(
    output_dir: Path, seed: int = 0, effort: Effort | None = None, go_on_from: Path | None = None
) -> None:
    """Render photos, train on them and write `model.onnx`, `sides.onnx` and `figures.json`.

    Parameters
    ----------
    output_dir
        Where the files go; made if need be.
    seed
        The same seed, number of threads and version of torch give the same weights.
    effort
        How much to render and how long to train; None: as the recipe has it.
    go_on_from
        A model repository whose graphs of these networks to train further, rather than new ones from scratch.

    Raises
    ------
    SystemExit
        torch is not installed.
    ValueError
        The graphs to go on from are of other networks.
    """
    try:
        import torch
    except ImportError as error:
        raise SystemExit("training needs torch: pip install 'radgate[train]'") from error
    from tools.train.restore import restore
    from tools.train.screen.evaluate import Screens, figures
    from tools.train.screen.export import export, export_sides
    from tools.train.screen.networks import CornerNetwork, FiveFolds
    from tools.train.screen.side_network import ShippedSides, SideNetwork
    from tools.train.screen.side_training import fit_sides
    from tools.train.screen.side_views import coarse_of, render_photos

    effort = effort or (FURTHER if go_on_from else Effort())
    torch.manual_seed(seed)
    cv2.setNumThreads(1)  # its threads and torch's would wait for each other
    pool = render(seed, effort.photos)
    folds, side_network = FiveFolds([CornerNetwork() for _ in range(FOLDS)]), SideNetwork()
    settled = go_on_from is not None
    if go_on_from:
        restore(go_on_from / "screen_corners" / "1" / "model.onnx", folds)
        restore(go_on_from / "screen_sides" / "1" / "sides.onnx", ShippedSides(side_network))
    else:
        start = folds.folds[0]
        fit(start, pool, np.arange(effort.photos), seed, effort.start_steps, effort.rate)
        folds = FiveFolds([copy.deepcopy(start) for _ in range(FOLDS)])
    for number, fold in enumerate(folds.folds):
        fit_fold(fold, pool, seed, number, effort, settled=settled)
    corners, sides = output_dir / "model.onnx", output_dir / "sides.onnx"
    export(folds, corners)
    photos = render_photos(seed + SIDES_SEED, effort.side_photos, coarse_of(corners))
    fit_sides(side_network, photos, seed, effort.side_steps, effort.rate, settled=settled)
    export_sides(side_network, sides)
    document: dict[str, Any] = {"seed": seed, "effort": effort._asdict()}
    document["figures"] = figures(Screens(corners, sides), seed + HELD_OUT_SEED, effort.judged)
    (output_dir / "figures.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    logger.info("written to %s", output_dir)


def fit_fold(
    network: "CornerNetwork", pool: Pool, seed: int, fold: int, effort: Effort, *, settled: bool
) -> None:
    """Go on from the common start, without a fifth of the photos and with changes of its own."""
    kept = np.flatnonzero(np.arange(len(pool.squares)) % FOLDS != fold)
    fit(network, pool, kept, seed + fold + 1, effort.fold_steps, 0.75 * effort.rate, settled=settled)


def fit(
    network: "CornerNetwork",
    pool: Pool,
    indices: np.ndarray,
    seed: int,
    steps: int,
    rate: float,
    *,
    settled: bool = False,
) -> None:
    """Train a network in place on part of a pool, in bfloat16 where the processor multiplies it.

    `settled` keeps its normalisations as they are, as those of a restored network must be.
    """
    import torch

    from tools.train.restore import settle

    rng = np.random.default_rng([seed, 2])
    network = network.to(memory_format=torch.channels_last).train()
    if settled:
        settle(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: pace(step, steps))
    bfloat16 = torch.backends.mkldnn.is_available() and torch.cpu._is_avx512_bf16_supported()
    for step in range(steps):
        drawn = batch(rng, pool, rng.choice(indices, BATCH))
        squares = torch.from_numpy(drawn.squares).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            found = network(squares)
        cost = loss(found, drawn)
        optimiser.zero_grad(set_to_none=True)
        cost.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            logger.info("step %d of %d: loss %.3f", step, steps, cost.item())


def pace(step: int, steps: int) -> float:
    """Give the learning rate's factor: a short rise, then half a cosine."""
    rise = max(steps // 20, 1)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(steps - rise, 1))) + 1e-3


def loss(found: "Found", drawn: Batch) -> "Tensor":
    """Price heatmaps, corners, the area between them and the logit of one batch."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

    from tools.train.screen.networks import decode

    screen = torch.from_numpy(drawn.screen)
    cost = 0.5 * binary_cross_entropy_with_logits(found.screen.float(), screen.float())
    if not drawn.screen.any():
        return cost
    maps, corners = found.maps.float()[screen], torch.from_numpy(drawn.corners)[screen]
    target, known = heat_targets(corners)
    entropy = -(target * maps.flatten(2).log_softmax(2)).sum(2)
    places, _ = decode(maps)
    distance = smooth_l1_loss(places, corners, reduction="none", beta=0.01).sum(2).clamp(max=0.3)
    cost = cost + (known * (entropy + 40 * distance)).sum() / known.sum().clamp(min=1)
    inside = torch.from_numpy(area_targets(drawn.corners[drawn.screen]))
    return cost + 0.3 * binary_cross_entropy_with_logits(found.inside.float()[screen][:, 0], inside)


def heat_targets(corners: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Give what the maps should hold: (N, 4, MAPS²) that sum to 1, and (N, 4), 1 where within the maps."""
    import torch

    from tools.train.screen.networks import CELL, MAPS, MARGIN

    cells = (corners * 256 + MARGIN) / CELL - 0.5
    axis = torch.arange(MAPS, dtype=torch.float32)
    across = torch.exp(-((axis - cells[..., 0:1]) ** 2) / 2)
    down = torch.exp(-((axis - cells[..., 1:2]) ** 2) / 2)
    heat = (down[..., :, None] * across[..., None, :]).flatten(2)
    known = ((cells > -0.5) & (cells < MAPS - 0.5)).all(2)
    return heat / heat.sum(2, keepdim=True).clamp(min=1e-6), known.float()


def area_targets(corners: np.ndarray) -> np.ndarray:
    """Fill quadrilaterals (N, 4, 2) on maps of half the heatmaps' size, float32 (N, MAPS/2, MAPS/2)."""
    from tools.train.screen.networks import CELL, MAPS, MARGIN

    cells = (corners * 256 + MARGIN) / (2 * CELL) - 0.5
    areas = np.zeros((len(corners), MAPS // 2, MAPS // 2), np.uint8)
    for area, quad in zip(areas, cells, strict=True):
        cv2.fillConvexPoly(area, np.round(quad * 16).astype(np.int32), (255,), cv2.LINE_AA, 4)
    return areas.astype(np.float32) / 255
