"""The corner network in PyTorch, and the graph of five that is shipped."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tools.train.layers import Residual, convolution

CORNERS = 4
MARGIN = 16
"""Pixels added around the halved input, where corners outside the frame can lie."""
CELL = 4
"""Pixels per cell of the heatmaps."""
MAPS = (256 + 2 * MARGIN) // CELL
"""Side of the heatmaps in cells."""
REACH = 3
"""Cells around the highest one from which its place is averaged."""


class Found(NamedTuple):
    """What the network says of a batch of N squares."""

    maps: Tensor
    """(N, 4, MAPS, MAPS): heatmaps before their softmax."""
    inside: Tensor
    """(N, 1, MAPS / 2, MAPS / 2): logit of lying on the radiograph; serves training only."""
    screen: Tensor
    """(N,): logit of a photo of a screen."""


class CornerNetwork(nn.Module):  # type: ignore[misc]
    """Squares to heatmaps of the four corners, TL, TR, BR, BL, and the logit of a photo of a screen."""

    def __init__(self) -> None:
        super().__init__()
        # Channels in sixteens: ONNX Runtime's blocks on CPUs.
        self.stem = convolution(1, 16, CELL, CELL)
        self.stage_2 = nn.Sequential(convolution(16, 48, 3, 2), Residual(48))
        self.stage_3 = nn.Sequential(convolution(48, 96, 3, 2), Residual(96), Residual(96))
        self.stage_4 = nn.Sequential(convolution(96, 128, 3, 2), Residual(128), Residual(128))
        self.context = nn.Linear(128, 128)
        self.up_quarter, self.to_quarter = nn.Conv2d(128, 96, 1), convolution(96, 96)
        self.up_half, self.to_half = nn.Conv2d(96, 48, 1), convolution(48, 48)
        self.up_full, self.to_full = nn.Conv2d(48, 16, 1), convolution(16, 16)
        self.heat = nn.Conv2d(16, CORNERS, 1)
        self.inside = nn.Conv2d(48, 1, 1)
        self.screen = nn.Sequential(nn.Linear(256, 48), nn.ReLU(), nn.Linear(48, 1))

    def forward(self, square: Tensor) -> Found:
        """Look at squares (N, 1, 256, 256) with values 0 to 1."""
        padded = nn.functional.pad((square - 0.4) * 3, (MARGIN,) * 4)
        full = self.stem(padded)
        half = self.stage_2(full)
        quarter = self.stage_3(half)
        eighth = self.stage_4(quarter)
        pooled = torch.cat([eighth.mean((2, 3)), eighth.amax((2, 3))], 1)
        eighth = eighth + self.context(pooled[:, :128])[:, :, None, None]
        quarter = self.to_quarter(quarter + self._doubled(self.up_quarter(eighth)))
        half = self.to_half(half + self._doubled(self.up_half(quarter)))
        full = self.to_full(full + self._doubled(self.up_full(half)))
        return Found(self.heat(full), self.inside(half), self.screen(pooled)[:, 0])

    @staticmethod
    def _doubled(features: Tensor) -> Tensor:
        return nn.functional.interpolate(features, scale_factor=2.0, mode="nearest")


def decode(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Give corners and peaks of heatmaps (N, 4, MAPS, MAPS).

    Returns
    -------
    (N, 4, 2) in shares of the square, and (N, 4) of how much of each map lies around its highest cell.
    """
    flat = maps.float().flatten(2).softmax(2)
    cells = torch.arange(MAPS * MAPS, device=maps.device)
    x, y = (cells % MAPS).float(), torch.div(cells, MAPS, rounding_mode="floor").float()
    highest = flat.argmax(2, keepdim=True).float()
    row = torch.floor((highest + 0.5) / MAPS)
    column = highest - row * MAPS
    near = ((x - column).abs() <= REACH) & ((y - row).abs() <= REACH)
    weight = flat * near.float()
    peak = weight.sum(2)
    place = torch.stack([(weight * x).sum(2), (weight * y).sum(2)], 2) / peak[..., None]
    return ((place + 0.5) * CELL - MARGIN) / 256, peak


class FiveFolds(nn.Module):  # type: ignore[misc]
    """The shipped graph: the network's input once, each fold's corners, peaks and logit."""

    def __init__(self, folds: list[CornerNetwork]) -> None:
        super().__init__()
        self.folds = nn.ModuleList(folds)

    def forward(self, letterbox: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give corners (N, 5, 4, 2), peaks (N, 5, 4) and logits (N, 5) of squares (N, 1, 512, 512)."""
        square = nn.functional.avg_pool2d(letterbox, 2)
        found = [fold(square) for fold in self.folds]
        decoded = [decode(each.maps) for each in found]
        return (
            torch.stack([corners for corners, _ in decoded], 1),
            torch.stack([peaks for _, peaks in decoded], 1),
            torch.stack([each.screen for each in found], 1),
        )
