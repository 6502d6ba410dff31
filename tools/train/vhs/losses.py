"""What the fit makes small: wrong places, blurred maps, wrong lengths in vertebrae, wrong validity."""

from typing import NamedTuple

import torch
from torch import Tensor

from gateway.imaging.vhs.landmarks import (
    HEART_BOTTOM,
    HEART_LEFT,
    HEART_RIGHT,
    HEART_TOP,
    VERTEBRA_A,
    VERTEBRA_B,
    VHS_LANDMARKS,
)
from tools.train.vhs.decode import decode

SHAPE_CELLS = 1.5
"""Standard deviation of the distribution that a map should show, in cells of 4 of 512 pixels."""
DISTANCE_WEIGHT = 20.0
"""Of the mean distance as a fraction of the side."""
DECODED_WEIGHT = 100.0
"""Likewise, where points are decoded as in the graph: at the end of a training, this is what counts."""
RATIO_WEIGHT = 0.3
"""Of |log(VHS / true VHS)|, beside distances as fractions of the side."""
ABSENT_WEIGHT = 0.05
VALIDITY_WEIGHT = 0.5
EDGES_WEIGHT = 0.5
HEART_WEIGHT = 1.0


class Targets(NamedTuple):
    """What is true of a batch."""

    points: Tensor
    """float32 (N, 7, 2), fractions of the side."""
    seen: Tensor
    """float32 (N, 7): 1 for landmarks inside the picture; 0 throughout where there is no thorax."""
    is_thorax: Tensor
    """float32 (N,): 1 for lateral canine thoraces, 0 for other pictures."""
    judged: Tensor
    """float32 (N,): 1 where that is beyond doubt."""
    edges: Tensor
    """float32 (N, 14, 2): cranial edges of T1 to L1, fractions of the side."""
    edges_seen: Tensor
    """float32 (N, 14)."""
    heart: Tensor
    """float32 (N, S / 8, S / 8): 1 inside its outline."""


def loss_of(
    maps: Tensor, validity: Tensor, targets: Targets, *, decoded: bool = False
) -> tuple[Tensor, Tensor]:
    """Give one fold's loss, and its mean distance as a fraction of the side, without gradient.

    Parameters
    ----------
    maps
        Logits, (N, 7, rows, columns).
    validity
        Logits, (N,).
    targets
        For the same N pictures.
    decoded
        Whether points are what the graph will give, means about the peaks, rather than means of whole maps.
    """
    logs = maps.float().flatten(2).log_softmax(-1).unflatten(-1, maps.shape[-2:])
    points = decode(maps.float())[0] if decoded else _means(logs.exp())
    distances = (points - targets.points).square().sum(-1).add(1e-10).sqrt()
    count = targets.seen.sum().clamp(min=1)
    distance = (distances * targets.seen).sum() / count
    shape = (_cross_entropy(logs, targets.points) * targets.seen).sum() / count
    absent = is_absent(targets)
    blurred = -(logs.mean((2, 3)) * absent).sum() / absent.sum().clamp(min=1)
    placed = (DECODED_WEIGHT if decoded else DISTANCE_WEIGHT) * (
        distance + RATIO_WEIGHT * _ratio_error(points, targets)
    )
    judged = torch.nn.functional.binary_cross_entropy_with_logits(
        validity.float(), targets.is_thorax, targets.judged
    )
    return shape + placed + ABSENT_WEIGHT * blurred + VALIDITY_WEIGHT * judged, distance.detach()


def guide_loss_of(guides: Tensor, targets: Targets) -> Tensor:
    """Give one fold's loss on the heart and on the edges of all vertebrae.

    Parameters
    ----------
    guides
        Logits, (N, 15, rows, columns), the heart first.
    targets
        For the same N pictures.
    """
    guides = guides.float()
    logs = guides[:, 1:].flatten(2).log_softmax(-1).unflatten(-1, guides.shape[-2:])
    seen = targets.edges_seen.sum().clamp(min=1)
    edges = (_cross_entropy(logs, targets.edges) * targets.edges_seen).sum() / seen
    heart = torch.nn.functional.binary_cross_entropy_with_logits(guides[:, 0], targets.heart)
    return EDGES_WEIGHT * edges + HEART_WEIGHT * heart


def is_absent(targets: Targets) -> Tensor:
    """Tell the landmarks of a thorax that the picture does not show, float32 (N, 7)."""
    return (1 - targets.seen) * targets.is_thorax[:, None]


def _centres(size: int) -> Tensor:
    return (torch.arange(size, dtype=torch.float32) + 0.5) / size


def _means(share: Tensor) -> Tensor:
    """Give the mean place of distributions (N, 7, rows, columns) as fractions of the side, (N, 7, 2)."""
    centres = _centres(share.shape[-1])
    return torch.stack([share.sum(2) @ centres, share.sum(3) @ centres], -1)


def _cross_entropy(logs: Tensor, points: Tensor) -> Tensor:
    """Give the cross-entropy of the maps with Gaussians about the points, (N, 7), in nats."""
    size = logs.shape[-1]
    # Half as many cells of the same number of pixels need half as wide a shape, but no less than a cell.
    sigma = max(SHAPE_CELLS * size / 128, 1.0) / size
    across, down = (
        torch.softmax(-0.5 * ((_centres(size) - points[..., axis, None]) / sigma).square(), -1)
        for axis in (0, 1)
    )
    return -((logs * down[..., None]).sum(2) * across).sum(-1)


def _ratio_error(points: Tensor, targets: Targets) -> Tensor:
    """Give the mean of |log(VHS / true VHS)| over the pictures that show all six points."""
    whole = targets.seen[:, list(VHS_LANDMARKS)].amin(1)
    error = (_log_vhs(points) - _log_vhs(targets.points)).abs()
    return torch.where(whole > 0, error, 0).sum() / whole.sum().clamp(min=1)


def _log_vhs(points: Tensor) -> Tensor:
    def length(start: int, end: int) -> Tensor:
        return (points[:, end] - points[:, start]).square().sum(-1).add(1e-8).sqrt()

    axes = length(HEART_TOP, HEART_BOTTOM) + length(HEART_RIGHT, HEART_LEFT)
    return torch.log(axes / length(VERTEBRA_A, VERTEBRA_B))
