"""Train U-Net and ControlNet together on latents of drawn volumes: the velocity of a rectified flow.

The ControlNet's embedding of labels is not trained here, but before (`hint_training`).
"""

import copy
import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gateway.imaging.maisi.sampling import BASE_VOXELS, TRAIN_TIMESTEPS
from tools.train.maisi.autoencoder import Autoencoder
from tools.train.maisi.autoencoder_training import cells_about_a_structure, to_image
from tools.train.maisi.diffusion import ControlNet, DiffusionUNet, HintEmbedding
from tools.train.maisi.graphs import SPACING_UNITS_PER_MM
from tools.train.maisi.schedule import autocast, pace
from tools.train.maisi.sizes import Sizes
from tools.train.maisi.volumes import Volume

logger = logging.getLogger(__name__)

RATE = 2e-3
CT = 1
"""The modality's number among the classes."""
PIECES = ((1, 24, 24, 24), (1, 32, 32, 32), (1, 48, 48, 32), (1, 64, 64, 32))
"""How many pieces a batch has, and their sides in voxels of the latent."""
SHARES = (0.45, 0.27, 0.16, 0.12)
"""How often each comes; the last is the whole of a usual volume. Normalisation makes what a network does
depend on the field that it sees, so large ones must be among them."""


class Example(NamedTuple):
    """What one volume teaches."""

    latent: Tensor
    """float32 (4, x, y, z), scaled to a standard deviation of about 1."""
    hint: Tensor
    """float32 (c, x, y, z), of its labels."""
    labels: np.ndarray
    """uint8 [4x, 4y, 4z]."""
    spacing_mm: tuple[float, float, float]

    def holds(self, sides: Sequence[int]) -> bool:
        """Whether a piece of these sides, in voxels of the latent, can be cut out of it."""
        return all(n >= side for n, side in zip(self.latent.shape[1:], sides, strict=True))


class Flow(NamedTuple):
    """What was learnt."""

    unet: DiffusionUNet
    controlnet: ControlNet


def encoded(autoencoder: Autoencoder, volumes: Sequence[Volume]) -> tuple[list[Tensor], float]:
    """Encode all volumes.

    Returns
    -------
    The means of their latents, (4, x, y, z) each, and the scale that makes their standard deviation 1.
    """
    latents = []
    for volume in volumes:
        image = to_image(volume.image_hu)[None, None].contiguous(memory_format=torch.channels_last_3d)
        with torch.inference_mode(), autocast():
            latents.append(autoencoder.encode(image)[0][0].float().clone())
    scale = float(1 / torch.cat([each.flatten() for each in latents]).std())
    logger.info("%d volumes encoded, scale %.4f", len(volumes), scale)
    return latents, scale


class FlowFit:
    """One training, from scratch but for the embedding of labels."""

    def __init__(self, sizes: Sizes, embedding: HintEmbedding, seed: int, steps: int) -> None:
        torch.manual_seed(seed)
        self._rng = np.random.default_rng([seed, 4])
        self._steps = steps
        self._networks = nn.ModuleList([DiffusionUNet(sizes.unet), ControlNet(sizes.controlnet)])
        self._networks = self._networks.to(memory_format=torch.channels_last_3d)
        controlnet = self._networks[1]
        # A ControlNet beside a trained U-Net begins with layers of zeros; these two begin together.
        for layer in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
            _restart(layer)
        controlnet.controlnet_cond_embedding = copy.deepcopy(embedding).requires_grad_(requires_grad=False)
        self._average = torch.optim.swa_utils.AveragedModel(
            self._networks, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)
        )
        learning = [each for each in self._networks.parameters() if each.requires_grad]
        self._optimiser = torch.optim.AdamW(learning, lr=RATE, weight_decay=1e-3)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, lambda step: pace(step, steps))

    def run(self, examples: Sequence[Example]) -> Flow:
        """Learn, and give the running average of the weights."""
        started, losses = time.monotonic(), []
        for step in range(self._steps):
            losses.append(self._step(*self._batch(examples)))
            if step % 50 == 49 or step == self._steps - 1:
                logger.info(
                    "flow, step %d of %d: loss %.4f, %.0f s",
                    step + 1, self._steps, np.mean(losses[-50:]), time.monotonic() - started,
                )  # fmt: skip
        return self.averaged()

    def averaged(self) -> Flow:
        """Give the running average of the weights so far."""
        return Flow(*copy.deepcopy(self._average.module).eval())

    def _step(self, latent: Tensor, hint: Tensor, spacing_mm: Tensor, times: Tensor) -> float:
        unet, controlnet = self._networks
        noise = torch.randn_like(latent)
        part = (times / TRAIN_TIMESTEPS)[:, None, None, None, None]
        noisy = (1 - part) * latent + part * noise
        modality = torch.full((len(latent),), CT)
        with autocast():
            residuals = controlnet(noisy, times, hint, modality=modality)
            velocity = unet(
                noisy,
                times,
                modality=modality,
                spacing=spacing_mm * SPACING_UNITS_PER_MM,
                residuals=residuals,
            )
        loss = nn.functional.mse_loss(velocity.float(), latent - noise)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._networks.parameters(), 1.0)
        self._optimiser.step()
        self._schedule.step()
        self._average.update_parameters(self._networks)
        return float(loss.item())

    def _batch(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Cut pieces: latents (N, 4, x, y, z), hints (N, c, x, y, z), spacing (N, 3), times (N,)."""
        count, *sides = PIECES[self._rng.choice(len(PIECES), p=SHARES)]
        # Where no volume is as large, the whole of one is taken.
        holding = [example for example in examples if example.holds(sides)] or examples
        rows = [self._piece(holding[self._rng.integers(len(holding))], sides) for _ in range(count)]
        latents, hints, spacings, times = zip(*rows, strict=True)
        layout = torch.channels_last_3d
        return (
            torch.stack(latents).contiguous(memory_format=layout),
            torch.stack(hints).contiguous(memory_format=layout),
            torch.tensor(spacings),
            torch.tensor(times, dtype=torch.float32),
        )

    def _piece(
        self, example: Example, sides: Sequence[int]
    ) -> tuple[Tensor, Tensor, tuple[float, float, float], float]:
        sides = [min(n, side) for n, side in zip(example.latent.shape[1:], sides, strict=True)]
        cells = cells_about_a_structure(example.labels, sides, self._rng)
        even = self._rng.random()
        ratio = (example.latent[0].numel() / BASE_VOXELS) ** (1 / 3)
        time_ = ratio * even / (1 + (ratio - 1) * even) * TRAIN_TIMESTEPS
        latent, hint = (whole[(slice(None), *cells)] for whole in (example.latent, example.hint))
        return latent, hint, example.spacing_mm, time_


def _restart(layer: nn.Module) -> None:
    """Draw the weights of a convolution anew, however it is wrapped."""
    for module in layer.modules():
        if isinstance(module, nn.Conv3d):
            module.reset_parameters()
