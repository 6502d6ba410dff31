"""The chest X-ray networks in PyTorch: findings with activation maps, and the chest gate."""

import torch
from torch import Tensor, nn

from tools.train.chest_xray.layout import GATE_SIZE, MAP_SIDE, SIZE
from tools.train.layers import Residual, convolution


def normalise(image: Tensor) -> Tensor:
    """Bring films with values 0 to 1 to about mean 0 and deviation 1."""
    return (image - 0.5) * 4.0


class FindingsNetwork(nn.Module):  # type: ignore[misc]
    """Films to activation maps: four stages, then a 1×1 convolution as the head.

    Parameters
    ----------
    outputs
        Number of maps, the twelve findings first.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            convolution(1, 32, 4, 4),
            Residual(32),
            convolution(32, 64, 3, 2),
            Residual(64),
            Residual(64),
            convolution(64, 128, 3, 2),
            Residual(128),
            Residual(128),
        )
        self.dropout = nn.Dropout2d(0.2)
        self.head = nn.Conv2d(128, outputs, 1)
        # What each place of an average film adds to a map. Its mean is 0, so no logit knows of it.
        self.register_buffer("anatomy", torch.zeros(outputs, MAP_SIDE, MAP_SIDE))

    def forward(self, image: Tensor) -> Tensor:
        """Give the maps, (N, outputs, 16, 16), of films (N, 1, 256, 256) with values 0 to 1."""
        return self.head(self.dropout(self.features(normalise(image)))) - self.anatomy


class OneClass(nn.Module):  # type: ignore[misc]
    """How far an image lies from the subspace of the chest films (PCA), and how far out within it.

    Parameters
    ----------
    components
        Number of principal components.
    pixels
        Number of pixels of the reduced image.
    """

    def __init__(self, components: int, pixels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("basis", torch.zeros(components, pixels))
        self.register_buffer("scale", torch.ones(components))

    def forward(self, standardised: Tensor) -> tuple[Tensor, Tensor]:
        """Give residual and distance, both (N, 1), of flattened images (N, pixels)."""
        centred = standardised - self.mean
        coefficients = centred @ self.basis.T
        residual = (centred - coefficients @ self.basis).square().mean(1, keepdim=True)
        distance = (coefficients / self.scale).square().mean(1, keepdim=True)
        return residual, distance


def standardise(small: Tensor) -> Tensor:
    """Bring images (N, 1, 64, 64) to mean 0 and deviation 1 each, so that exposure says little."""
    centred = small - small.mean((1, 2, 3), keepdim=True)
    return centred / (centred.square().mean((1, 2, 3), keepdim=True) + 1e-4).sqrt()


class ChestGate(nn.Module):  # type: ignore[misc]
    """Is this a frontal chest film: a small network, and a one-class bound it cannot outvote."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            convolution(1, 16),
            convolution(16, 32, 3, 2),
            Residual(32),
            convolution(32, 64, 3, 2),
            Residual(64),
            convolution(64, 96, 3, 2),
            Residual(96),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(384, 1),
        )
        self.one_class = OneClass(48, (GATE_SIZE // 2) ** 2)
        self.register_buffer("bias", torch.zeros(1))
        self.register_buffer("residual_limit", torch.tensor([1e3]))
        self.register_buffer("distance_limit", torch.tensor([1e3]))

    def margins(self, standardised: Tensor) -> Tensor:
        """Give (N, 3): network logit, room below the residual limit and below the distance limit."""
        halved = nn.functional.avg_pool2d(standardised, 2).flatten(1)
        residual, distance = self.one_class(halved)
        return torch.cat(
            [
                self.network(standardised) + self.bias,
                10.0 * (1.0 - residual / self.residual_limit),
                10.0 * (1.0 - distance / self.distance_limit),
            ],
            1,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Give the chest logit, (N, 1), of films (N, 1, 256, 256): the least of the three margins."""
        small = nn.functional.avg_pool2d(image, SIZE // GATE_SIZE)
        return self.margins(standardise(small)).amin(1, keepdim=True)


class Classifier(nn.Module):  # type: ignore[misc]
    """The shipped graph: logits, activation maps and chest logit of one film."""

    def __init__(self, findings: nn.Module, gate: nn.Module, count: int) -> None:
        super().__init__()
        self.findings = findings
        self.gate = gate
        self.count = count

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give logits (N, 12), maps (N, 12, 16, 16) and chest logit (N, 1)."""
        maps = self.findings(image)[:, : self.count]
        return maps.mean((2, 3)), maps, self.gate(image)
