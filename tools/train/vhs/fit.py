"""The fit: small squares first, where a step costs a quarter, then squares of full size."""

import copy
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tools.train.restore import settle
from tools.train.vhs.batches import Example, Films, Stage, batches
from tools.train.vhs.losses import Targets, guide_loss_of, loss_of
from tools.train.vhs.networks import LandmarkNetwork, own_blocks

logger = logging.getLogger(__name__)

WORKERS = 2
"""Threads that learn, each from its own part of a batch, on one core each. Dealing every convolution out to
the cores is slower by far as soon as another process wants one of them: each one waits for the last part."""


def fit(
    films: Films, seed: int, stages: tuple[Stage, ...], restored: LandmarkNetwork | None = None
) -> LandmarkNetwork:
    """Train a network.

    Parameters
    ----------
    films
        To learn from.
    seed
        Of the weights, which differ between folds, of the order of films and of the changes to them.
    stages
        One after the other.
    restored
        A network to go on from, see `restore`; None starts anew.

    Returns
    -------
    The running average of the weights, in evaluation mode.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    network: LandmarkNetwork = (restored or LandmarkNetwork()).to(memory_format=torch.channels_last)
    for number, stage in enumerate(stages):
        network = _Descent(network, stage).run(films, np.random.default_rng([seed, 77, number]))
    network.eval()
    return network


class _Descent:
    """One stage: a copy of the network for each worker, and the network that all step together."""

    def __init__(self, network: LandmarkNetwork, stage: Stage) -> None:
        network.train()
        if stage.settled:
            settle(network)
        self._stage = stage
        self._network = network
        self._copies = [copy.deepcopy(network) for _ in range(WORKERS)]
        self._optimizer = torch.optim.AdamW(_learnt(network, stage), stage.rate, weight_decay=0.02)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, stage.rate, total_steps=stage.steps, pct_start=0.1
        )
        self._average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)

    def run(self, films: Films, generator: np.random.Generator) -> LandmarkNetwork:
        """Learn, and give the running average of the weights."""
        stage, progress = self._stage, _Progress(self._stage)
        with ThreadPoolExecutor(WORKERS) as workers:
            for parts in batches(films, generator, stage, WORKERS):
                answers = list(workers.map(_gradients, self._copies, parts, repeat(stage)))
                self._step([gradients for gradients, _, _ in answers])
                progress.add(*(float(np.mean(each)) for each in list(zip(*answers, strict=True))[1:]))
        averaged: LandmarkNetwork = self._average.module
        return averaged

    def _step(self, gradients: list[tuple[Tensor, ...]]) -> None:
        """Step by the mean of the workers' gradients, and bring the copies to where the network is."""
        learnt = _learnt(self._network, self._stage)
        for parameter, *each in zip(learnt, *gradients, strict=True):
            parameter.grad = torch.stack(each).mean(0)
        torch.nn.utils.clip_grad_norm_(learnt, 5.0)
        self._optimizer.step()
        self._schedule.step()
        with torch.no_grad():
            for own, *each in zip(self._network.buffers(), *(c.buffers() for c in self._copies), strict=True):
                own.copy_(torch.stack(each).float().mean(0))
            for copied in self._copies:
                for target, source in zip(copied.parameters(), self._network.parameters(), strict=True):
                    target.copy_(source)
        self._average.update_parameters(self._network)


def _learnt(network: LandmarkNetwork, stage: Stage) -> list[Tensor]:
    parts = [network.trunk, network.folds, *([network.guides] if stage.guided else [])]
    return [parameter for part in parts for parameter in part.parameters()]


def _gradients(
    network: LandmarkNetwork, examples: Example, stage: Stage
) -> tuple[tuple[Tensor, ...], float, float]:
    """Give gradients, loss and distance; in bfloat16 where the processor multiplies it faster by far."""
    squares = torch.from_numpy(examples.letterbox).unsqueeze(1).contiguous(memory_format=torch.channels_last)
    # Without AVX-512 for it, a step in bfloat16 takes ten times as long as one in float32.
    bfloat16 = torch.backends.mkldnn.is_available() and torch.cpu._is_avx512_bf16_supported()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        answers = network.maps(squares, stage.blocks)
    truth = [own_blocks(torch.as_tensor(each, dtype=torch.float32), stage.blocks) for each in examples[1:]]
    losses, distances = [], []
    for (maps, validity, guides), own in zip(answers, map(Targets, *truth), strict=True):
        loss, distance = loss_of(maps, validity, own, decoded=stage.decoded)
        losses.append(loss + guide_loss_of(guides, own) if stage.guided else loss)
        distances.append(distance.item())
    gradients = torch.autograd.grad(torch.stack(losses).sum(), _learnt(network, stage))
    return gradients, float(np.mean([loss.item() for loss in losses])), float(np.mean(distances))


class _Progress:
    """Logs means of fifty steps."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._started = time.monotonic()
        self._values: list[tuple[float, float]] = []

    def add(self, loss: float, distance: float) -> None:
        self._values.append((loss, distance))
        if len(self._values) % 50 == 0:
            logger.info(
                "side %d, step %d of %d: loss %.3f, distance %.4f, %.0f s",
                self._stage.side, len(self._values), self._stage.steps, *np.mean(self._values[-50:], 0),
                time.monotonic() - self._started,
            )  # fmt: skip
