"""Train the autoencoder on pieces of drawn volumes."""

import copy
import logging
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gateway.imaging.maisi.windows import FACTOR
from tools.train.maisi.autoencoder import Autoencoder
from tools.train.maisi.schedule import autocast, pace
from tools.train.maisi.sizes import AutoencoderSize
from tools.train.maisi.volumes import Volume

logger = logging.getLogger(__name__)

RATE = 3e-3
PIECES = ((1, 48, 48, 48), (1, 64, 64, 64), (1, 112, 112, 64))
"""How many pieces a batch has, and their sides in voxels: normalisation sees fields of several sizes."""
SHARES = (0.65, 0.25, 0.1)
"""How often each comes."""
SETTLING_RATE = 1.5e-3
WINDOWS = ((24, 24, 24), (44, 44, 32))
"""Sides of the windows that the decoder settles on, in voxels of the latent."""
WINDOW_SHARES = (0.8, 0.2)
SOFT_TISSUE = (0.42, 0.62)
"""-160 to 240 HU, where a difference counts more."""
SOFT_TISSUE_WEIGHT = 2.0
COARSE_VOXELS = 8
"""Side of the cubes whose mean counts besides: noise hides a tissue's value from a difference of voxels."""
COARSE_WEIGHT = 2.0
DIVERGENCE_WEIGHT = 1e-3
ANYWHERE_SHARE = 0.25
"""How many pieces may lie anywhere; the others have the body in their middle."""


def fit_autoencoder(size: AutoencoderSize, volumes: Sequence[Volume], seed: int, steps: int) -> Autoencoder:
    """Train from scratch; the running average of the weights is given.

    Parameters
    ----------
    steps
        Of one batch of `PIECES` each.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 3])
    network = Autoencoder(size).to(memory_format=torch.channels_last_3d)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: pace(step, steps))
    started = time.monotonic()
    for step in range(steps):
        images = batch(volumes, rng)
        with autocast():
            mean, deviation = network.encode(images)
            restored = network.decode(mean + deviation * torch.randn_like(deviation))
        difference, divergence = loss_of(restored, images, mean, deviation)
        optimiser.zero_grad(set_to_none=True)
        (difference + DIVERGENCE_WEIGHT * divergence).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        average.update_parameters(network)
        if step % 25 == 0 or step == steps - 1:
            logger.info(
                "autoencoder, step %d of %d: difference %.4f, divergence %.2f, %.0f s",
                step, steps, difference.item(), divergence.item(), time.monotonic() - started,
            )  # fmt: skip
    averaged: Autoencoder = average.module.eval()
    return averaged


def settle_decoder(
    autoencoder: Autoencoder, latents: Sequence[Tensor], volumes: Sequence[Volume], seed: int, steps: int
) -> Autoencoder:
    """Train the decoder further on pieces as large as the windows that it decodes later.

    Normalisation makes a voxel's value depend on the whole field: a decoder which has seen small fields alone
    is off by tens of HU in large ones. The encoder, from which all latents come, stays as it is.

    Parameters
    ----------
    latents
        Means of the volumes' latents, unscaled, (4, x, y, z) each.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 5])
    network: Autoencoder = copy.deepcopy(autoencoder)
    parameters = [*network.decoder.parameters(), *network.post_quant_conv.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=SETTLING_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: pace(step, steps))
    started = time.monotonic()
    for step in range(steps):
        number = rng.integers(len(volumes))
        latent, image = _window(latents[number], volumes[number], rng)
        with autocast():
            restored = network.decode(latent)
        difference = difference_of(restored, image)
        optimiser.zero_grad(set_to_none=True)
        difference.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % 25 == 0 or step == steps - 1:
            logger.info(
                "decoder, step %d of %d: difference %.4f, %.0f s",
                step, steps, difference.item(), time.monotonic() - started,
            )  # fmt: skip
    network.eval()
    return network


def _window(latent: Tensor, volume: Volume, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Cut a window out of a latent and its image, each with a batch axis of one."""
    wanted = WINDOWS[rng.choice(len(WINDOWS), p=WINDOW_SHARES)]
    sides = [min(n, side) for n, side in zip(latent.shape[1:], wanted, strict=True)]
    corner = corner_in_body(volume.labels, [FACTOR * side for side in sides], FACTOR, rng)
    cells = tuple(slice(c // FACTOR, c // FACTOR + side) for c, side in zip(corner, sides, strict=True))
    voxels = tuple(slice(c, c + FACTOR * side) for c, side in zip(corner, sides, strict=True))
    layout = torch.channels_last_3d
    return (
        latent[(slice(None), *cells)].unsqueeze(0).contiguous(memory_format=layout),
        to_image(volume.image_hu[voxels])[None, None].contiguous(memory_format=layout),
    )


def to_image(image_hu: np.ndarray) -> Tensor:
    """Map HU to 0..1, float32."""
    return torch.from_numpy((image_hu.astype(np.float32) + 1000) / 2000)


def batch(volumes: Sequence[Volume], rng: np.random.Generator) -> Tensor:
    """Cut pieces, mirrored at random: (N, 1, x, y, z), values 0 to 1."""
    count, *sides = PIECES[rng.choice(len(PIECES), p=SHARES)]
    images = []
    for _ in range(count):
        volume = volumes[rng.integers(len(volumes))]
        corner = corner_in_body(volume.labels, sides, 1, rng, tries=1 if rng.random() < ANYWHERE_SHARE else 8)
        piece = to_image(volume.image_hu[tuple(slice(c, c + s) for c, s in zip(corner, sides, strict=True))])
        images.append(piece.flip([axis for axis in range(3) if rng.random() < 0.5]))
    return torch.stack(images).unsqueeze(1).contiguous(memory_format=torch.channels_last_3d)


def corner_in_body(
    labels: np.ndarray, sides: Sequence[int], multiple: int, rng: np.random.Generator, tries: int = 8
) -> tuple[int, ...]:
    """Draw where a piece begins, on a grid of `multiple`, until its middle lies in the body."""
    corner: tuple[int, ...] = ()
    for _ in range(tries):
        corner = tuple(
            int(rng.integers((n - side) // multiple + 1)) * multiple
            for n, side in zip(labels.shape, sides, strict=True)
        )
        if labels[tuple(c + side // 2 for c, side in zip(corner, sides, strict=True))]:
            break
    return corner


def cells_about_a_structure(
    labels: np.ndarray, sides: Sequence[int], rng: np.random.Generator
) -> tuple[slice, ...]:
    """Draw a piece of the latent about a voxel of any structure, of which each is as likely as any other.

    Parameters
    ----------
    labels
        Of the image.
    sides
        Of the piece, in voxels of the latent.
    """
    coarse = labels[::FACTOR, ::FACTOR, ::FACTOR]
    places = np.argwhere(coarse == rng.choice(np.unique(coarse)))
    middle = places[rng.integers(len(places))]
    corner = [
        int(np.clip(at - side // 2, 0, n - side))
        for at, side, n in zip(middle, sides, coarse.shape, strict=True)
    ]
    return tuple(slice(c, c + side) for c, side in zip(corner, sides, strict=True))


def loss_of(restored: Tensor, images: Tensor, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Give the mean difference of images, and the latent's divergence from a normal distribution."""
    mean, variance = mean.float(), deviation.float().square()
    divergence = 0.5 * (mean.square() + variance - variance.clamp(min=1e-12).log() - 1).mean()
    return difference_of(restored, images), divergence


def difference_of(restored: Tensor, images: Tensor) -> Tensor:
    """Give the mean difference of images, in which soft tissue counts more, and so do means of cubes."""
    restored = restored.float()
    soft = (restored.clamp(*SOFT_TISSUE) - images.clamp(*SOFT_TISSUE)).abs().mean()
    coarse = nn.functional.avg_pool3d(restored - images, COARSE_VOXELS).abs().mean()
    return (restored - images).abs().mean() + SOFT_TISSUE_WEIGHT * soft + COARSE_WEIGHT * coarse
