"""Maps of logits to points finer than their cells."""

from typing import NamedTuple

import torch
from torch import Tensor

from gateway.imaging.vhs.landmarks import VERTEBRA_A, VERTEBRA_B, VERTEBRAL_SPAN
from tools.train.vhs.layout import EDGES

REACH = 3.5
"""Cells on either side of the peak's that the mean is taken over: a window of 7×7."""
EDGE_REACH = 1.5
"""Likewise on the maps of the vertebrae's edges, whose cells are twice as large."""
CANDIDATES = 5
"""Highest peaks of a map that may be the true one."""
PEAK_CELLS = 5
"""Side of the square in which a peak is the highest."""
RELATIVE_LENGTHS = 1.005 * 1.014 ** (torch.arange(EDGES - 1) - 4.0)
"""From edge to edge of T1 to T13, in |AB| / 6: each vertebra is a little longer than the one before."""
SPANS = (2, 3)
"""Vertebrae from one edge to another that tell a length: of fewer, errors of both edges weigh more; of more,
those that are counted wrongly somewhere, or not seen."""
CERTAINTY_POWER = 4
"""Of the product of both edges' shares, the weight of a span: what is in doubt hardly counts."""
QUANTILE = 0.6
"""Of the spans' lengths, by weight: a vertebra that is passed over shortens spans, nothing lengthens them."""
TOLERANCE = 0.03
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
        Logits of the landmarks, float32 (N, K, 7, rows, columns), rows = columns: K opinions on a picture.
    edges
        Logits of the vertebrae's cranial edges, float32 (N, K, 14, rows / 2, columns / 2).

    Returns
    -------
    As of `decode`: (N, K, 7, 2) and (N, K, 7).
    """
    distributions = _distributions(maps)
    points, shares = _highest(distributions, REACH)
    ends = distributions[..., VERTEBRA_A : VERTEBRA_B + 1, :, :]
    candidates = _around(ends, _candidates(ends), REACH)
    a, b = (candidates.points[..., end, :, :] for end in (0, 1))
    apart = (a.unsqueeze(-2) - b.unsqueeze(-3)).square().sum(-1).sqrt() / VERTEBRAL_SPAN
    expected = _vertebra_length(edges)[:, None, None, None]
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


def _vertebra_length(edges: Tensor) -> Tensor:
    """Give |AB| / 6 as a fraction of the side, (N,), by what all opinions say of the edges.

    Each span tells a length by how many vertebrae it holds. Their quantile by weight is not moved by the few
    spans in which an opinion loses count.
    """
    found = _highest(_distributions(edges), EDGE_REACH)
    each = []
    for span in SPANS:
        apart = (found.points[..., span:, :] - found.points[..., :-span, :]).square().sum(-1).sqrt()
        certain = found.shares[..., span:] * found.shares[..., :-span]
        each.append((apart / RELATIVE_LENGTHS.unfold(0, span, 1).sum(-1), certain.pow(CERTAINTY_POWER)))
    lengths, weights = (torch.cat([pair[part].flatten(1) for pair in each], 1) for part in (0, 1))
    lengths, order = lengths.sort(-1)
    until = weights.gather(-1, order).cumsum(-1)
    reached = (until >= QUANTILE * until[:, -1:]).float().argmax(-1, keepdim=True)
    return lengths.gather(-1, reached)[:, 0].clamp(min=_NOTHING)


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
