"""Rectified flow: the way's steps, and where they lead."""

import numpy as np
import pytest

from gateway.imaging.maisi.sampling import noise_of, sample, step_lengths, timesteps

LARGE = 128**3


def test_begins_at_pure_noise_and_falls():
    times = timesteps(30, LARGE)
    assert times.dtype == np.float16
    assert times[0] == 1000
    assert (np.diff(times.astype(float)) < 0).all()


def test_large_latents_spend_more_steps_where_there_is_much_noise():
    assert timesteps(10, LARGE)[5] > timesteps(10, 32**3)[5] == 500


@pytest.mark.parametrize("steps", [1, 8, 30])
def test_exact_steps_make_up_the_way(steps):
    assert step_lengths(timesteps(steps, LARGE), truncated=False).sum() == pytest.approx(1, abs=1e-12)


def test_truncated_steps_go_too_far_as_monais():
    """Published for 30 steps: 1.007 to 1.010."""
    assert 1.006 < step_lengths(timesteps(30, LARGE), truncated=True).sum() < 1.011


def test_a_straight_way_is_followed_to_its_end():
    noise = noise_of(1, (1, 4, 8, 8, 8))
    image = np.full_like(noise, 0.3)
    *_, latent = sample(noise, lambda latent, time: image - noise, steps=7)
    np.testing.assert_allclose(latent, image, atol=1e-5)


def test_the_same_seed_gives_the_same_noise():
    assert np.array_equal(noise_of(5, (2, 3)), noise_of(5, (2, 3)))
    assert not np.array_equal(noise_of(5, (2, 3)), noise_of(6, (2, 3)))
