"""Denoising diffusion: from noise to a latent in as many steps as in training, fresh noise after each."""

from collections.abc import Callable, Iterator

import numpy as np

BETA_START, BETA_END = 0.0015, 0.0195
Noise = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Latent [1, c, x, y, z] and timestep [1], both float32, to the noise in it, of the latent's shape."""


def kept(steps: int) -> np.ndarray:
    """Give the part of the signal's power that is left after each step of adding noise, float64 (steps,)."""
    betas = np.linspace(BETA_START**0.5, BETA_END**0.5, steps) ** 2
    return np.cumprod(1 - betas)


def denoise(
    rng: np.random.Generator, shape: tuple[int, ...], noise: Noise, *, steps: int
) -> Iterator[np.ndarray]:
    """Draw noise, take the predicted noise away step by step, and yield the latent after each, float32.

    References
    ----------
    MONAI, `monai.networks.schedulers.ddpm.DDPMScheduler`: `scaled_linear_beta`, `fixed_small`, no clipping;
    Ho et al., Denoising Diffusion Probabilistic Models, 2020, equations 6 and 7.
    """
    power = kept(steps)
    latent = rng.standard_normal(shape, np.float32)
    for step in range(steps - 1, -1, -1):
        now, before = power[step], power[step - 1] if step else 1.0
        alpha = now / before
        predicted = noise(latent, np.array([step], np.float32))
        clean = (latent - np.float32((1 - now) ** 0.5) * predicted) / np.float32(now**0.5)
        to_clean, to_latent = before**0.5 * (1 - alpha) / (1 - now), alpha**0.5 * (1 - before) / (1 - now)
        latent = np.float32(to_clean) * clean + np.float32(to_latent) * latent
        if step:
            spread = ((1 - before) / (1 - now) * (1 - alpha)) ** 0.5
            latent += np.float32(spread) * rng.standard_normal(shape, np.float32)
        yield latent
