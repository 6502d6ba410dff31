"""How all of MAISI's networks are trained: the pace of learning, and the precision."""

import math

import torch

WARM_STEPS = 30


def pace(step: int, steps: int) -> float:
    """Give the learning rate's factor: a short rise, then half a cosine."""
    rise = min(1.0, (step + 1) / WARM_STEPS)
    return rise * (0.5 * (1 + math.cos(math.pi * step / steps)) + 1e-3)


def autocast() -> torch.autocast:
    """Compute in bfloat16 where the processor multiplies it faster; without AVX-512 it is slower by far."""
    bfloat16 = torch.backends.mkldnn.is_available() and torch.cpu._is_avx512_bf16_supported()
    return torch.autocast("cpu", torch.bfloat16, enabled=bfloat16)
