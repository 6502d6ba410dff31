"""Fit the chest gate: a small network against everything else, and a one-class bound."""

import logging
import time

import numpy as np
import torch
from torch import Tensor

from tools.train.chest_xray.gate_images import GateSources, chest_image, finished, gate_batch
from tools.train.chest_xray.networks import ChestGate, standardise

logger = logging.getLogger(__name__)

BATCH = 128
EPOCH_IMAGES = 16_000
ONE_CLASS_IMAGES = 10_000
WANTED_PASS_RATE = 0.998
"""Of randomly changed training films, at each of the three margins."""
SLACK = 1.15
"""Room left above the one-class limits, for films unlike the training ones."""


def fit_gate(sources: GateSources, seed: int, epochs: int) -> ChestGate:
    """Train the gate.

    Parameters
    ----------
    sources
        Training films and thumbnails; nothing that figures are taken from.
    seed
        Of the weights, of the images and of their changes.
    epochs
        Rounds of 16,000 fresh images.

    Returns
    -------
    The gate in evaluation mode, operating point included: it passes where its logit is above 0.
    """
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    gate = ChestGate()
    fit_one_class(gate, sources, generator)
    optimizer = torch.optim.AdamW(gate.network.parameters(), lr=2e-3, weight_decay=0.02)
    steps = epochs * (EPOCH_IMAGES // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for epoch in range(epochs):
        _epoch(gate, sources, generator, optimizer, schedule, epoch)
    gate.eval()
    _set_limits(gate, sources, generator)
    return gate


def _epoch(
    gate: ChestGate,
    sources: GateSources,
    generator: np.random.Generator,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    epoch: int,
) -> None:
    started = time.monotonic()
    images, targets = gate_batch(sources, generator, EPOCH_IMAGES)
    gate.train()
    losses = []
    for start in range(0, EPOCH_IMAGES - BATCH + 1, BATCH):
        batch = standardise(as_tensor(images[start : start + BATCH]))
        with torch.autocast("cpu", torch.bfloat16):
            logits = gate.network(batch)[:, 0].float()
        target = torch.from_numpy(targets[start : start + BATCH])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target * 0.98 + 0.01)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    logger.info("gate epoch %d: loss %.4f, %.0f s", epoch + 1, np.mean(losses), time.monotonic() - started)


def as_tensor(images: np.ndarray) -> Tensor:
    """Turn uint8 images (N, rows, columns) into (N, 1, rows, columns) with values 0 to 1."""
    return torch.from_numpy(images).float().unsqueeze(1) / 255


def chest_set(sources: GateSources, generator: np.random.Generator, count: int) -> Tensor:
    """Make randomly changed chest films, standardised, (count, 1, 64, 64)."""
    images = np.stack([finished(chest_image(sources, generator), generator) for _ in range(count)])
    return standardise(as_tensor(images))


def fit_one_class(gate: ChestGate, sources: GateSources, generator: np.random.Generator) -> None:
    """Fit the principal components of randomly changed chest films."""
    halved = torch.nn.functional.avg_pool2d(chest_set(sources, generator, ONE_CLASS_IMAGES), 2).flatten(1)
    one_class = gate.one_class
    mean = halved.mean(0)
    values, vectors = torch.linalg.eigh((halved - mean).T @ (halved - mean) / len(halved))
    count = len(one_class.scale)
    one_class.mean.copy_(mean)
    one_class.basis.copy_(vectors[:, -count:].T)
    one_class.scale.copy_(values[-count:].sqrt())


def _set_limits(gate: ChestGate, sources: GateSources, generator: np.random.Generator) -> None:
    """Place the operating point of the network and both one-class limits."""
    chest = chest_set(sources, generator, ONE_CLASS_IMAGES)
    halved = torch.nn.functional.avg_pool2d(chest, 2).flatten(1)
    with torch.no_grad():
        residual, distance = gate.one_class(halved)
        logits = torch.cat([gate.network(part) for part in chest.split(500)])
    gate.residual_limit.copy_(residual.quantile(WANTED_PASS_RATE) * SLACK)
    gate.distance_limit.copy_(distance.quantile(WANTED_PASS_RATE) * SLACK)
    # An unsure network refuses: the point lies as high as the wanted pass rate lets it.
    gate.bias.copy_(-logits.quantile(1 - WANTED_PASS_RATE).clamp(-2.0, 3.0))
    logger.info(
        "gate: network logit %.2f, residual %.3f, distance %.3f",
        -gate.bias.item(), gate.residual_limit.item(), gate.distance_limit.item(),
    )  # fmt: skip
