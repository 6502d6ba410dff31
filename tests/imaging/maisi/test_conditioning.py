"""Labels as the networks take them."""

import numpy as np

from gateway.imaging.maisi import conditioning
from gateway.imaging.maisi.conditioning import embedding_of, embedding_slabs, label_bits


def test_bits_are_the_index_in_binary():
    bits = label_bits(np.array([[[0, 200, 1, 132]]], np.uint8))
    assert bits.shape == (8, 1, 1, 4)
    assert bits[:, 0, 0, 1].tolist() == [0, 0, 0, 1, 0, 0, 1, 1]
    assert (bits * 2.0 ** np.arange(8)[:, None, None, None]).sum(0).ravel().tolist() == [0, 200, 1, 132]


def test_slabs_embed_as_the_whole(monkeypatch):
    """By something that looks as far as the network: sums over 13 slices to either side, in strides of 4."""

    def embed(bits: np.ndarray) -> np.ndarray:
        padded = np.pad(bits, [(0, 0)] * 4 + [(13, 13)])
        wide = sum(padded[..., k : k + bits.shape[-1]] for k in range(27))
        return wide[:, :, ::4, ::4, ::4]

    labels = np.random.default_rng(0).integers(0, 133, (8, 8, 96), np.uint8)
    monkeypatch.setattr(conditioning, "SLAB_VOXELS", 0)
    assert [slab.shape[-1] for slab in embedding_slabs(labels, embed)] == [8, 8, 8]
    np.testing.assert_array_equal(embedding_of(labels, embed), embed(label_bits(labels)[np.newaxis]))
