"""Decoding in windows."""

import numpy as np
import pytest

from gateway.imaging.maisi.windows import decode_windows, starts, to_hu, window_weights


def enlarge(latent: np.ndarray) -> np.ndarray:
    """Stand in for a decoder that looks at nothing beside a voxel."""
    for axis in (2, 3, 4):
        latent = latent.repeat(4, axis)
    return latent[:, :1]


@pytest.mark.parametrize(
    ("length", "window", "overlap", "expected"),
    [
        (128, 80, 0.25, [0, 48]),
        (128, 80, 0.4, [0, 48]),
        (64, 64, 0.25, [0]),
        (40, 16, 0.25, [0, 12, 24]),
        (128, 96, 0.6667, [0, 31, 32]),
    ],
)
def test_windows_cover_the_axis_and_end_with_it(length, window, overlap, expected):
    assert starts(length, window, overlap) == expected


def test_weights_fall_from_the_middle_and_never_vanish():
    weights = window_weights((8, 8, 4))
    assert weights.shape == (32, 32, 16)
    assert weights.max() == weights[15, 15, 7]
    assert weights.min() > 0


@pytest.mark.parametrize("shape", [(8, 8, 8), (20, 12, 28), (24, 24, 8)])
def test_gives_slabs_in_order_that_make_up_the_volume(shape):
    latent = np.random.default_rng(0).standard_normal((4, *shape), np.float32)
    parts = list(decode_windows(latent, enlarge, window=12, overlap=0.25))
    assert [part[0] for part in parts] == list(range(1, parts[-1][1] + 1))
    end = 0
    for _, _, first, image in parts:
        assert first == end or image is None
        end += 0 if image is None else image.shape[-1]
    whole = np.concatenate([image for *_, image in parts if image is not None], axis=-1)
    np.testing.assert_allclose(whole, enlarge(latent[np.newaxis])[0], atol=1e-5)


def test_holds_no_more_than_it_has_to():
    latent = np.zeros((4, 8, 8, 200), np.float32)
    slabs = [part[3].shape[-1] for part in decode_windows(latent, enlarge, window=16, overlap=0.25)]
    assert max(slabs) <= 64


def test_hu_is_rounded_and_saturates():
    assert to_hu(np.array([-0.1, 0, 0.5, 0.5302, 1, 1.5], np.float32)).tolist() == [
        -1000, -1000, 0, 60, 1000, 1000
    ]  # fmt: skip
