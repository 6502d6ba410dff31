"""The sides' network in PyTorch: a straightened view to where the film's four sides run in it."""

import torch
from torch import Tensor, nn

from gateway.imaging.screen.sides import PLACES, SIDES
from gateway.imaging.screen.view import VIEW_PX
from tools.train.layers import Residual, convolution

PARTS = VIEW_PX // PLACES
"""Pixels of the view per cell of the last features."""


class Strips(nn.Module):  # type: ignore[misc]
    """Means of whole rows and columns, added to every cell of them: sides run straight across the view."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.of_rows, self.of_columns = (
            nn.Conv1d(channels, channels, 3, 1, 1),
            nn.Conv1d(channels, channels, 3, 1, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Add them."""
        rows = self.of_rows(features.mean(3))[:, :, :, None]
        return torch.relu(features + rows + self.of_columns(features.mean(2))[:, :, None, :])


class SideNetwork(nn.Module):  # type: ignore[misc]
    """Views (N, 1, VIEW_PX, VIEW_PX) to logits of the sides' places, and of a photo of a screen."""

    def __init__(self) -> None:
        super().__init__()
        # Channels in sixteens: ONNX Runtime's blocks on CPUs.
        self.stem = nn.Sequential(convolution(3, 16, 3, 2), convolution(16, 32, 3, 2))
        self.stage_2 = nn.Sequential(convolution(32, 48, 3, 2), Residual(48))
        self.stage_3 = nn.Sequential(convolution(48, 96, 3, 2), Residual(96), Residual(96))
        self.stage_4 = nn.Sequential(convolution(96, 128, 3, 2), Residual(128), Residual(128))
        self.context = nn.Linear(256, 128)
        self.up_quarter, self.to_quarter = nn.Conv2d(128, 96, 1), convolution(96, 96)
        self.strips = Strips(96)
        self.up_half, self.to_half = nn.Conv2d(96, 48, 1), convolution(48, 48)
        self.up_full, self.to_full = nn.Conv2d(48, 32, 1), convolution(32, 32)
        self.across = nn.Conv2d(32, SIDES * PARTS, 1)
        self.absent = nn.Conv2d(32, SIDES, 1)
        self.screen = nn.Sequential(nn.Linear(256, 48), nn.ReLU(), nn.Linear(48, 1))

    def forward(self, view: Tensor) -> tuple[Tensor, Tensor]:
        """Give logits (N, SIDES, PLACES, VIEW_PX + 1), the last one of no side at a place, and (N,)."""
        full = self.stem(_channels(view))
        half = self.stage_2(full)
        quarter = self.stage_3(half)
        eighth = self.stage_4(quarter)
        pooled = torch.cat([eighth.mean((2, 3)), eighth.amax((2, 3))], 1)
        eighth = eighth + self.context(pooled)[:, :, None, None]
        quarter = self.strips(self.to_quarter(quarter + _doubled(self.up_quarter(eighth))))
        half = self.to_half(half + _doubled(self.up_half(quarter)))
        full = self.to_full(full + _doubled(self.up_full(half)))
        return self._places(full), self.screen(pooled)[:, 0]

    def _places(self, full: Tensor) -> Tensor:
        """Unfold each cell into the pixels across it: downwards for level sides, else to the right."""
        cells = self.across(full).unflatten(1, (SIDES, PARTS))
        absent = self.absent(full)
        level = cells.permute(0, 1, 4, 3, 2).flatten(3)
        upright = cells.permute(0, 1, 3, 4, 2).flatten(3)
        places = torch.stack([level[:, 0], upright[:, 1], level[:, 2], upright[:, 3]], 1)
        none = torch.stack(
            [absent[:, 0].mean(1), absent[:, 1].mean(2), absent[:, 2].mean(1), absent[:, 3].mean(2)], 1
        )
        return torch.cat([places, none[..., None]], 3)


def _channels(view: Tensor) -> Tensor:
    """Show a view in three ways, (N, 3, VIEW_PX, VIEW_PX): film and background often differ by few levels.

    As it is; by its root, which spreads the dark; and by how far it is from what surrounds it, which shows
    the slightest step beside the steepest.
    """
    grey = view.clamp(min=0)
    around = nn.functional.avg_pool2d(grey, (1, 9), 1, (0, 4), count_include_pad=False)
    around = nn.functional.avg_pool2d(around, (9, 1), 1, (4, 0), count_include_pad=False)
    local = torch.tanh((grey - around) * 12)
    return torch.cat([(view - 0.4) * 2.5, (grey + 1e-3).sqrt() * 2.5 - 1.2, local * 1.5], 1)


def _doubled(features: Tensor) -> Tensor:
    return nn.functional.interpolate(features, scale_factor=2.0, mode="nearest")


class ShippedSides(nn.Module):  # type: ignore[misc]
    """The shipped graph: probabilities for logits."""

    def __init__(self, network: SideNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, view: Tensor) -> tuple[Tensor, Tensor]:
        """Give probabilities (N, SIDES, PLACES, VIEW_PX) of a side at each pixel across, and logits (N,)."""
        places, screen = self.network(view)
        return places.softmax(3)[..., :VIEW_PX], screen
