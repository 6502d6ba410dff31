"""Maps of logits to points finer than their cells."""

import torch
from torch import Tensor

REACH = 3.5
"""Cells on either side of the peak's that the mean is taken over: a window of 7×7."""


def decode(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Take the mean of each map's distribution around its peak.

    Far modes, which say that the count of vertebrae is in doubt, would pull a mean over the whole map
    to where no landmark is; they show in the peak instead.

    Parameters
    ----------
    maps
        Logits, float32 (N, 5, 7, rows, columns), rows = columns.

    Returns
    -------
    Points as fractions of the side, (N, 5, 7, 2), x and y; and the share of the distribution that lies
    in the window, (N, 5, 7), 0 to 1.
    """
    size = maps.shape[-1]
    share = torch.softmax(maps.flatten(-2), -1)
    peak = share.argmax(-1, keepdim=True)
    centres = torch.arange(size, dtype=torch.float32) + 0.5
    share = share.unflatten(-1, (size, size))
    column, row = (peak % size).float() + 0.5, torch.div(peak, size, rounding_mode="floor").float() + 0.5
    columns = ((centres - column).abs() < REACH).float()
    rows = ((centres - row).abs() < REACH).float()
    across = (share * rows.unsqueeze(-1)).sum(-2) * columns
    down = (share * columns.unsqueeze(-2)).sum(-1) * rows
    mass = across.sum(-1)
    x, y = (across * centres).sum(-1) / mass, (down * centres).sum(-1) / mass
    return torch.stack([x, y], -1) / size, mass
