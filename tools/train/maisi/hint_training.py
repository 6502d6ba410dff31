"""Train the ControlNet's embedding of labels by itself: to tell from labels what the latent is on average.

A flow sees a latent through noise, and takes very many steps to learn which of 124 labels are bright. Said
directly it takes some hundreds, after which the embedding stays as it is, and each volume is embedded once.
"""

import logging
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gateway.imaging.maisi.conditioning import embedding_of, label_bits
from gateway.imaging.maisi.windows import FACTOR
from tools.train.maisi.autoencoder_training import corner_in_body
from tools.train.maisi.diffusion import HintEmbedding
from tools.train.maisi.schedule import autocast, pace
from tools.train.maisi.sizes import LATENT_CHANNELS, ControlNetSize

logger = logging.getLogger(__name__)

RATE = 4e-3
SIDE = 20
"""Of the pieces, in voxels of the latent."""
EDGE = 3
"""How many of those at each side depend on labels outside the piece, and are not judged."""
HEAD_CHANNELS = 32


def fit_hint(
    size: ControlNetSize, latents: Sequence[Tensor], labels: Sequence[np.ndarray], seed: int, steps: int
) -> HintEmbedding:
    """Train an embedding from scratch; each channel of what it gives has mean 0 and deviation 1 in bodies.

    Parameters
    ----------
    latents
        (4, x, y, z) each, scaled.
    labels
        Of the same volumes, uint8 [4x, 4y, 4z].
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 6])
    embedding = HintEmbedding(size.hint_channels, size.unet.channels[0])
    embedding.conv_out.conv.reset_parameters()  # it begins with zeros, which would hold up all before it
    head = nn.Sequential(
        nn.SiLU(),
        nn.Conv3d(size.unet.channels[0], HEAD_CHANNELS, 1),
        nn.SiLU(),
        nn.Conv3d(HEAD_CHANNELS, LATENT_CHANNELS, 1),
    )
    networks = nn.Sequential(embedding, head).to(memory_format=torch.channels_last_3d)
    optimiser = torch.optim.AdamW(networks.parameters(), lr=RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: pace(step, steps))
    started, losses = time.monotonic(), []
    for step in range(steps):
        number = rng.integers(len(latents))
        bits, latent = _piece(labels[number], latents[number], rng)
        with autocast():
            expected = networks(bits)
        inner = (..., *[slice(EDGE, -EDGE)] * 3)
        loss = nn.functional.mse_loss(expected.float()[inner], latent[inner])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(networks.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.item()))
        if step % 50 == 49 or step == steps - 1:
            logger.info(
                "hint, step %d of %d: loss %.4f, %.0f s",
                step + 1, steps, np.mean(losses[-50:]), time.monotonic() - started,
            )  # fmt: skip
    embedding.eval()
    _standardise(embedding, labels)
    return embedding


def hint_of(embedding: HintEmbedding, labels: np.ndarray) -> Tensor:
    """Embed a label map [4x, 4y, 4z]: (c, x, y, z)."""

    def embed(bits: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), autocast():
            given: np.ndarray = embedding(torch.from_numpy(bits)).float().numpy()
        return given

    return torch.from_numpy(embedding_of(labels, embed)[0])


def _standardise(embedding: HintEmbedding, labels: Sequence[np.ndarray]) -> None:
    """Scale the last layer, so that the flow begins with an input of the size that it is used to."""
    bodies = []
    for each in labels:
        hint = hint_of(embedding, each)
        bodies.append(hint[:, torch.from_numpy(each[::FACTOR, ::FACTOR, ::FACTOR] > 0)])
    deviation, mean = torch.std_mean(torch.cat(bodies, 1), 1)
    layer = embedding.conv_out.conv
    with torch.no_grad():
        layer.weight /= deviation[:, None, None, None, None]
        layer.bias.copy_((layer.bias - mean) / deviation)


def _piece(labels: np.ndarray, latent: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Cut out bits (1, 8, 4s, 4s, 4s) and their latent (1, 4, s, s, s)."""
    sides = [min(n, SIDE) for n in latent.shape[1:]]
    corner = corner_in_body(labels, [FACTOR * side for side in sides], FACTOR, rng)
    voxels = tuple(slice(c, c + FACTOR * side) for c, side in zip(corner, sides, strict=True))
    cells = tuple(slice(c // FACTOR, c // FACTOR + side) for c, side in zip(corner, sides, strict=True))
    bits = torch.from_numpy(label_bits(labels[voxels])[np.newaxis])
    return bits.contiguous(memory_format=torch.channels_last_3d), latent[(slice(None), *cells)].unsqueeze(0)
