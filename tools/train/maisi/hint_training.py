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
from tools.train.maisi.autoencoder_training import cells_about_a_structure
from tools.train.maisi.diffusion import HintEmbedding
from tools.train.maisi.schedule import autocast, pace
from tools.train.maisi.sizes import LATENT_CHANNELS, ControlNetSize

logger = logging.getLogger(__name__)

RATE = 4e-3
SIDE = 20
"""Of the pieces, in voxels of the latent."""
EDGE = 3
"""How many of those at each side depend on labels outside the piece, and are not judged."""
INSIDE_WEIGHT = 0.5
"""Of the insides of structures, each of which counts the same: large ones would drown the others."""
INSIDE_STEPS = 3000
LEAST_INSIDE = 20
"""Voxels of the latent that lie in one structure, for its mean to count."""


def fit_hint(
    size: ControlNetSize, latents: Sequence[Tensor], labels: Sequence[np.ndarray], seed: int, steps: int
) -> HintEmbedding:
    """Train an embedding from scratch; each channel of what it gives has mean 0 and deviation 1 in bodies.

    Latents are made linear in it, on average. It learns first what each structure is like inside, which takes
    seconds, then pieces of volumes besides.

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
    head = nn.Conv3d(size.unet.channels[0], LATENT_CHANNELS, 1)
    networks = nn.Sequential(embedding, head).to(memory_format=torch.channels_last_3d)
    indices, means = insides(latents, labels)
    bits = torch.from_numpy(label_bits(indices)).T

    def inside_loss() -> Tensor:
        return nn.functional.mse_loss(_of_uniform(embedding, head, bits), means)

    for fit_pieces, count in ((False, INSIDE_STEPS), (True, steps)):
        optimiser = torch.optim.AdamW(networks.parameters(), lr=RATE, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step, count=count: pace(step, count))
        started, losses = time.monotonic(), []
        for step in range(count):
            loss = INSIDE_WEIGHT * inside_loss()
            if fit_pieces:
                number = rng.integers(len(latents))
                loss = loss + _piece_loss(networks, *_piece(labels[number], latents[number], rng))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(networks.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.item()))
            if step == count - 1 or (fit_pieces and step % 50 == 49):
                logger.info(
                    "hint, %s, step %d of %d: loss %.4f, of them inside %.4f, %.0f s",
                    "pieces" if fit_pieces else "insides", step + 1, count, np.mean(losses[-50:]),
                    inside_loss().item(), time.monotonic() - started,
                )  # fmt: skip
    embedding.eval()
    _standardise(embedding, labels)
    return embedding


def insides(latents: Sequence[Tensor], labels: Sequence[np.ndarray]) -> tuple[np.ndarray, Tensor]:
    """Give which structures have an inside, uint8 (n,), and the mean of latents there, (n, 4)."""
    sums, counts = np.zeros((256, LATENT_CHANNELS)), np.zeros(256, int)
    for latent, whole in zip(latents, labels, strict=True):
        x, y, z = latent.shape[1:]
        cells = np.asarray(whole).reshape(x, FACTOR, y, FACTOR, z, FACTOR)
        least, most = cells.min((1, 3, 5)), cells.max((1, 3, 5))
        index = least[least == most]
        counts += np.bincount(index, minlength=256)
        for channel, values in enumerate(latent.numpy()):
            sums[:, channel] += np.bincount(index, values[least == most], minlength=256)
    found = np.flatnonzero(counts >= LEAST_INSIDE)
    return found.astype(np.uint8), torch.from_numpy(sums[found] / counts[found, None]).float()


def _of_uniform(embedding: HintEmbedding, head: nn.Module, bits: Tensor) -> Tensor:
    """Give what comes out, (n, 4), inside of volumes that are one label throughout: bits (n, 8)."""
    features = bits
    for layer in (embedding.conv_in, *embedding.blocks):
        features = nn.functional.silu(_flat(layer.conv, features))
    return _flat(head, _flat(embedding.conv_out.conv, features))


def _flat(layer: nn.Module, features: Tensor) -> Tensor:
    return nn.functional.linear(features, layer.weight.sum((2, 3, 4)), layer.bias)


def _piece_loss(networks: nn.Module, bits: Tensor, latent: Tensor) -> Tensor:
    with autocast():
        expected = networks(bits)
    inner = (..., *[slice(EDGE, -EDGE)] * 3)
    return nn.functional.mse_loss(expected.float()[inner], latent[inner])


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
    """Cut out bits (1, 8, 4s, 4s, 4s) and their latent (1, 4, s, s, s), about a voxel of any structure."""
    sides = [min(n, SIDE) for n in latent.shape[1:]]
    cells = cells_about_a_structure(labels, sides, rng)
    voxels = tuple(slice(FACTOR * each.start, FACTOR * each.stop) for each in cells)
    bits = torch.from_numpy(label_bits(labels[voxels])[np.newaxis])
    return bits.contiguous(memory_format=torch.channels_last_3d), latent[(slice(None), *cells)].unsqueeze(0)
