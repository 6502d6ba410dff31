"""Rectified flow: from noise to a latent image in a few steps along the predicted velocity."""

from collections.abc import Callable, Iterator

import numpy as np

TRAIN_TIMESTEPS = 1000
BASE_VOXELS = 32**3
"""Latents of this many voxels take even steps; larger ones take more of them where there is much noise."""
Velocity = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Latent [1, c, x, y, z] and timestep [1], both float32, to image minus noise, of the latent's shape."""


def timesteps(steps: int, voxels: int) -> np.ndarray:
    """Give the timesteps of a sampling, from 1000 down; float16, as MONAI's `RFlowScheduler` keeps them.

    Parameters
    ----------
    steps
        How many, 1 to 1000.
    voxels
        Of the latent, one channel.
    """
    ratio = (voxels / BASE_VOXELS) ** (1 / 3)
    even = 1 - np.arange(steps) / steps
    return np.asarray(ratio * even / (1 + (ratio - 1) * even) * TRAIN_TIMESTEPS, np.float16)


def step_lengths(times: np.ndarray, *, truncated: bool) -> np.ndarray:
    """Give how far each step goes, in parts of the whole way.

    Parameters
    ----------
    times
        Of `timesteps`.
    truncated
        As MONAI 1.4 to 1.6: the next timestep loses its fraction, so that the steps are up to 1 % longer
        than the way. False: exact.
    """
    following = np.append(times[1:], np.float16(0))
    if truncated:
        # The difference of a float16 tensor and a number is rounded to float16 there.
        lengths = (times - np.trunc(following).astype(np.float16)).astype(np.float16)
        return np.asarray(lengths.astype(np.float64) / TRAIN_TIMESTEPS)
    return np.asarray((times.astype(np.float64) - following) / TRAIN_TIMESTEPS)


def sample(
    noise: np.ndarray, velocity: Velocity, *, steps: int, truncated: bool = False
) -> Iterator[np.ndarray]:
    """Follow the velocity from noise to image, and yield the latent after each step.

    Parameters
    ----------
    noise
        float32 [1, c, x, y, z], normal.

    References
    ----------
    MONAI, `monai.networks.schedulers.rectified_flow.RFlowScheduler`.
    """
    latent = noise
    times = timesteps(steps, int(np.prod(noise.shape[2:])))
    for time, length in zip(times, step_lengths(times, truncated=truncated), strict=True):
        predicted = velocity(latent, np.array([time], np.float32))
        latent = latent + predicted * np.float32(length)
        yield latent


def noise_of(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draw normal noise, float32; the same seed gives the same on every machine."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)
