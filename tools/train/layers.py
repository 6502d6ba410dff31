"""Building blocks of the networks that are trained here."""

import torch
from torch import Tensor, nn


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Give a convolution with batch normalisation and ReLU; one of kernel size `stride` has no padding."""
    padding = 0 if kernel == stride else (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Residual(nn.Module):  # type: ignore[misc]  # torch is not there when the types are checked
    """Two 3×3 convolutions around which the input is added again."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(channels, channels),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Add what the convolutions find to the features."""
        return torch.relu(features + self.body(features))
