"""Fit the findings network: drawn lesions on thumbnails first, then real films and drawn lesions."""

import copy
import logging
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gateway.imaging.chest_xray import FINDINGS
from tools.train.chest.composites import Background, CompositeBatch, changed, composite_batch
from tools.train.chest.films import AUXILIARY, LABELLED, Films
from tools.train.chest.networks import FindingsNetwork

logger = logging.getLogger(__name__)

OUTPUTS = len(FINDINGS) + len(AUXILIARY) + 1
"""Maps while training: the findings, further labels, and whether the film was taken AP."""
REAL, DRAWN_FILMS = 24, 8
"""Films of either kind in a batch."""
TEACHER_SHARE = 0.6
"""Weight of the comparator's opinion in a target; the NIH label, text-mined and noisy, has the rest."""


def pretrain(bank: list[Background], seed: int, steps: int) -> FindingsNetwork:
    """Teach the network drawn lesions on enlarged thumbnails, which are of thousands of patients."""
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    network = FindingsNetwork(OUTPUTS)

    def loss_of() -> Tensor:
        return _composite_loss(network, composite_batch(bank, generator, 32))

    _descend(network, loss_of, steps, 3e-3)
    return network


def fine_tune(
    start: FindingsNetwork, films: Films, bank: list[Background], seed: int, steps: int
) -> FindingsNetwork:
    """Teach the network real films, and drawn lesions on those of them without findings.

    Parameters
    ----------
    start
        The pretrained network, left as it is.
    films
        Training films only.
    bank
        Those of the training films to draw on.
    seed
        Of the order and of all random changes.
    steps
        Batches of 24 real films and 8 composites.

    Returns
    -------
    The running average of the weights, in evaluation mode.
    """
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    network = copy.deepcopy(start)
    targets, weights = targets_of(films)
    opinion = opinion_of(films)
    spread = torch.from_numpy(opinion.std(0))
    known = np.flatnonzero(films.comparator.any(0))

    def loss_of() -> Tensor:
        chosen = generator.choice(len(films.pixels), REAL, replace=False)
        images = np.stack([changed(films.pixels[index], generator)[0] for index in chosen])
        drawn = composite_batch(bank, generator, DRAWN_FILMS)
        # Of a finding with real labels, drawings only say where it is, not where it is not.
        drawn.weights[:, LABELLED] *= 0.5 * drawn.targets[:, LABELLED]
        logits = _maps(network, images).mean((2, 3))
        real = _weighted_loss(logits, targets[chosen], weights[chosen])
        differences = (logits[:, known] - torch.from_numpy(opinion[chosen][:, known])) / spread[known]
        return real + 0.5 * differences.square().mean() + 0.5 * _composite_loss(network, drawn)

    return _descend(network, loss_of, steps, 2e-3)


def _descend(
    network: FindingsNetwork, loss_of: Callable[[], Tensor], steps: int, rate: float
) -> FindingsNetwork:
    """Minimise a loss and give the running average of the weights."""
    optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.2)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.97), use_buffers=True)
    network.train()
    started, losses = time.monotonic(), []
    for step in range(steps):
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        losses.append(loss.item())
        if step % 50 == 49:
            elapsed = time.monotonic() - started
            logger.info("step %d: loss %.4f, %.0f s", step + 1, np.mean(losses[-50:]), elapsed)
    averaged: FindingsNetwork = average.module
    averaged.eval()
    return averaged


def targets_of(films: Films) -> tuple[np.ndarray, np.ndarray]:
    """Give what each output is to say of each film, and how much that counts.

    Returns
    -------
    Targets and weights, both float32 (N, 17). A finding without labels counts as absent, with full
    weight only on the films without any finding.
    """
    known = films.comparator.any(0)
    mixed = TEACHER_SHARE * _sigmoid(opinion_of(films)) + (1 - TEACHER_SHARE) * films.labels
    targets = np.where(known, mixed, 0.02)
    weights = np.where(known | films.normal[:, None], 1.0, 0.3)
    view = films.view_ap[:, None].astype(np.float32)
    weights = np.concatenate([weights, np.full_like(view, 0.3)], 1)
    return np.concatenate([targets, view], 1).astype(np.float32), weights.astype(np.float32)


def opinion_of(films: Films) -> np.ndarray:
    """Give the comparator's logits, shifted so that their mean probability is the labels' mean.

    Returns
    -------
    float32 (N, 16). The published network was tuned to rarer findings than these films have.
    """
    probability = np.clip(films.comparator, 1e-6, 1 - 1e-6)
    teacher = np.log(probability / (1 - probability))
    low, high = np.full(teacher.shape[1], -20.0), np.full(teacher.shape[1], 20.0)
    for _ in range(40):
        shift = (low + high) / 2
        below = _sigmoid(teacher + shift).mean(0) < films.labels.mean(0)
        low, high = np.where(below, shift, low), np.where(below, high, shift)
    return np.asarray(teacher + low, np.float32)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-logits)))


def _maps(network: FindingsNetwork, images: np.ndarray) -> Tensor:
    """Run the network in bfloat16, which the CPU multiplies several times faster."""
    batch = torch.from_numpy(images).unsqueeze(1).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        return network(batch).float()


def _weighted_loss(logits: Tensor, targets: np.ndarray, weights: np.ndarray) -> Tensor:
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, torch.from_numpy(targets), torch.from_numpy(weights), reduction="sum"
    )
    return loss / max(float(weights.sum()), 1.0)


def _composite_loss(network: FindingsNetwork, batch: CompositeBatch) -> Tensor:
    """Ask for the drawn finding, and for its map to be higher inside the lesion than outside."""
    maps = _maps(network, batch.images)[:, : len(FINDINGS)]
    named = _weighted_loss(maps.mean((2, 3)), batch.targets, batch.weights)
    shown = np.flatnonzero((batch.targets.any(1)) & (batch.regions.max((1, 2)) > 0))
    if not len(shown):
        return named
    region = torch.from_numpy(batch.regions[shown])
    region = region / region.amax((1, 2), keepdim=True)
    drawn = maps[shown, batch.targets[shown].argmax(1)]
    inside = (drawn * region).sum((1, 2)) / region.sum((1, 2))
    outside = (drawn * (1 - region)).sum((1, 2)) / (1 - region).sum((1, 2)).clamp(min=1.0)
    return named + torch.relu(2.0 - (inside - outside)).mean()
