"""Labels as the ControlNet takes them, and their embedding, computed once a volume and in slabs."""

from collections.abc import Callable, Iterator

import numpy as np

BITS = 8
SLAB_VOXELS = 256 * 256 * 64
"""About as many of a label map are embedded at once."""
LEAST_SLICES = 32
HALO_SLICES = 16
"""Of labels beside a slab that its embedding may depend on: 13 by the kernels, rounded up to the strides."""
FACTOR = 4
Embed = Callable[[np.ndarray], np.ndarray]
"""Bits, float32 [1, 8, x, y, z], to their embedding, float32 [1, c, x/4, y/4, z/4]."""


def label_bits(labels: np.ndarray) -> np.ndarray:
    """Write label indices in binary.

    Parameters
    ----------
    labels
        uint8, any shape.

    Returns
    -------
    float32 [8, …]: bit k of each index in channel k, as `binarize_labels` of MAISI.
    """
    bits = np.unpackbits(labels[np.newaxis], axis=0, bitorder="little")
    return bits.astype(np.float32)


def embedding_slabs(labels: np.ndarray, embed: Embed) -> Iterator[np.ndarray]:
    """Embed a label map, some slices at a time: all bits of a large volume would take gigabytes.

    Parameters
    ----------
    labels
        uint8 [x, y, z].

    Yields
    ------
    float32 [1, c, x/4, y/4, slices/4]; joined along the last axis they are the same as in one piece.
    """
    depth = labels.shape[2]
    slices = max(SLAB_VOXELS // labels[:, :, 0].size // LEAST_SLICES, 1) * LEAST_SLICES
    for start in range(0, depth, slices):
        stop = min(start + slices, depth)
        low, high = max(start - HALO_SLICES, 0), min(stop + HALO_SLICES, depth)
        embedded = embed(label_bits(labels[:, :, low:high])[np.newaxis])
        yield embedded[..., (start - low) // FACTOR : (stop - low) // FACTOR]


def embedding_of(labels: np.ndarray, embed: Embed) -> np.ndarray:
    """Join `embedding_slabs`: float32 [1, c, x/4, y/4, z/4]."""
    return np.concatenate(list(embedding_slabs(labels, embed)), axis=4)
