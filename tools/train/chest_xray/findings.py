"""Fit the features of the findings network: tell drawn lesions apart and show where they are."""

import logging
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gateway.imaging.chest_xray import FINDINGS
from tools.train.chest_xray.composites import Background, CompositeBatch, composite_batch
from tools.train.chest_xray.networks import FindingsNetwork

logger = logging.getLogger(__name__)

BATCH = 32


def pretrain(bank: list[Background], seed: int, steps: int) -> FindingsNetwork:
    """Teach a new network drawn lesions on enlarged thumbnails, which are of thousands of patients.

    Parameters
    ----------
    bank
        Films to draw on.
    seed
        Of the weights, the lesions and the random changes.
    steps
        Batches of 32.

    Returns
    -------
    The running average of the weights, in evaluation mode.
    """
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    network = FindingsNetwork(len(FINDINGS))

    def loss_of() -> Tensor:
        return _composite_loss(network, composite_batch(bank, generator, BATCH))

    return _descend(network, loss_of, steps, 3e-3)


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
    return named + 0.5 * torch.relu(2.0 - (inside - outside)).mean()
