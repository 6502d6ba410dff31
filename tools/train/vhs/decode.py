"""Maps of logits to points finer than their cells."""

from typing import NamedTuple

import torch
from torch import Tensor

from gateway.imaging.vhs.landmarks import VERTEBRA_A, VERTEBRA_B, VERTEBRAL_SPAN

REACH = 3.5
"""Cells on either side of the peak's that the mean is taken over: a window of 7×7."""
EDGE_REACH = 1.5
"""Likewise on the maps of the vertebrae's edges, whose cells are twice as large."""
CANDIDATES = 5
"""Highest peaks of a map that may be the true one."""
PEAK_CELLS = 5
"""Side of the square in which a peak is the highest."""
SPACED = slice(3, 11)
"""Of the vertebrae's edges: T4's to T11's, between which a vertebra is about as long as in T4 to T9."""
LAST_DISC = 0.975
"""|AB| / 6 in lengths from edge to edge: B is the end of T9's body, before the disc that follows."""
TOLERANCE = 0.05
"""Deviation of |AB| / 6 from the length that the edges tell, as a share of it."""

_NOTHING = 1e-9


class Peaks(NamedTuple):
    """Peaks of maps, and what lies around them."""

    points: Tensor
    """(..., K, 2): mean of the distribution around each peak, x and y as fractions of the side."""
    shares: Tensor
    """(..., K): the share of the distribution there, 0 to 1."""


def decode(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Take the mean of each map's distribution around its peak.

    Far modes, which say that the count of vertebrae is in doubt, would pull a mean over the whole map
    to where no landmark is; they show in the peak instead.

    Parameters
    ----------
    maps
        Logits, float32 (..., rows, columns), rows = columns.

    Returns
    -------
    Points as fractions of the side, (..., 2), x and y; and the share of the distribution that lies
    in the window, (...), 0 to 1.
    """
    return _highest(_distributions(maps), REACH)


def decode_jointly(maps: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """Decode landmarks, both ends of T4 to T9 as one.

    Where the count of vertebrae is in doubt, each end has a peak at every vertebra that it may be. The
    highest of both may be of different counts: then six vertebrae are as long as five or seven, and VHS is
    off by a sixth. How long a vertebra is can be seen without counting.

    Parameters
    ----------
    maps
        Logits of the landmarks, float32 (N, 5, 7, rows, columns), rows = columns.
    edges
        Logits of the vertebrae's cranial edges, float32 (N, 5, 14, rows / 2, columns / 2).

    Returns
    -------
    As of `decode`: (N, 5, 7, 2) and (N, 5, 7).
    """
    distributions = _distributions(maps)
    points, shares = _highest(distributions, REACH)
    ends = distributions[..., VERTEBRA_A : VERTEBRA_B + 1, :, :]
    candidates = _around(ends, _candidates(ends), REACH)
    a, b = (candidates.points[..., end, :, :] for end in (0, 1))
    apart = (a.unsqueeze(-2) - b.unsqueeze(-3)).square().sum(-1).sqrt() / VERTEBRAL_SPAN
    expected = LAST_DISC * _edge_to_edge(edges)[..., None, None]
    likely = candidates.shares.clamp(min=_NOTHING).log()
    score = likely[..., 0, :, None] + likely[..., 1, None, :]
    score = score - 0.5 * ((apart / expected - 1) / TOLERANCE).square()
    best = score.flatten(-2).argmax(-1)
    chosen = torch.stack([torch.div(best, CANDIDATES, rounding_mode="floor"), best % CANDIDATES], -1)
    index = chosen.unsqueeze(-1)
    end_shares = candidates.shares.gather(-1, index).squeeze(-1)
    end_points = candidates.points.gather(-2, index.unsqueeze(-1).expand(*index.shape, 2)).squeeze(-2)
    return (
        torch.cat([points[..., :VERTEBRA_A, :], end_points], -2),
        torch.cat([shares[..., :VERTEBRA_A], end_shares], -1),
    )


def _edge_to_edge(edges: Tensor) -> Tensor:
    """Give the usual length from a vertebra's edge to the next one's as a fraction of the side, (N, 5).

    A wrong count spoils one of the lengths, which is left out.
    """
    found = _highest(_distributions(edges[..., SPACED, :, :]), EDGE_REACH).points
    lengths = (found[..., 1:, :] - found[..., :-1, :]).square().sum(-1).sqrt()
    return lengths.sort(-1).values[..., 2:-2].mean(-1).clamp(min=_NOTHING)


def _distributions(maps: Tensor) -> Tensor:
    return torch.softmax(maps.flatten(-2), -1).unflatten(-1, maps.shape[-2:])


def _highest(distributions: Tensor, reach: float) -> Peaks:
    """Give the highest peak alone, without the axis K."""
    around = _around(distributions, distributions.flatten(-2).argmax(-1, keepdim=True), reach)
    return Peaks(around.points.squeeze(-2), around.shares.squeeze(-1))


def _candidates(distributions: Tensor) -> Tensor:
    """Give the cells of the highest peaks, (..., CANDIDATES)."""
    flat = distributions.flatten(0, -3).unsqueeze(1)
    highest = torch.nn.functional.max_pool2d(flat, PEAK_CELLS, 1, PEAK_CELLS // 2)
    peaks = torch.where(flat >= highest, flat, 0.0).flatten(1).topk(CANDIDATES).indices
    return peaks.reshape(-1, *distributions.shape[1:-2], CANDIDATES)


def _around(distributions: Tensor, cells: Tensor, reach: float) -> Peaks:
    """Take the mean of distributions (..., rows, columns) around cells (..., K)."""
    size = distributions.shape[-1]
    centres = torch.arange(size, dtype=torch.float32) + 0.5
    column, row = (cells % size).float() + 0.5, torch.div(cells, size, rounding_mode="floor").float() + 0.5
    columns = ((centres - column.unsqueeze(-1)).abs() < reach).float()
    rows = ((centres - row.unsqueeze(-1)).abs() < reach).float()
    across = (rows @ distributions) * columns
    down = (columns @ distributions.transpose(-1, -2)) * rows
    shares = across.sum(-1)
    mass = shares.clamp(min=_NOTHING)
    x, y = (across * centres).sum(-1) / mass, (down * centres).sum(-1) / mass
    return Peaks(torch.stack([x, y], -1) / size, shares)
