"""The autoencoder in PyTorch: images to latents and back; a second one does the same for label maps."""

import torch
from torch import Tensor, nn

from tools.train.maisi.blocks import Convolution
from tools.train.maisi.sizes import AutoencoderSize


class ResidualBlock(nn.Module):  # type: ignore[misc]  # torch is not there when the types are checked
    """Two convolutions, each after normalisation and SiLU, around which the input is added again."""

    def __init__(self, inputs: int, outputs: int, size: AutoencoderSize) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(size.norm_groups, inputs, size.norm_eps)
        self.conv1 = Convolution(inputs, outputs, nested=2)
        self.norm2 = nn.GroupNorm(size.norm_groups, outputs, size.norm_eps)
        self.conv2 = Convolution(outputs, outputs, nested=2)
        is_same = inputs == outputs
        self.nin_shortcut = nn.Identity() if is_same else Convolution(inputs, outputs, 1, nested=2)

    def forward(self, features: Tensor) -> Tensor:
        """Add what the convolutions find to the features."""
        found = self.conv1(nn.functional.silu(self.norm1(features)))
        found = self.conv2(nn.functional.silu(self.norm2(found)))
        return self.nin_shortcut(features) + found


class Halve(nn.Module):  # type: ignore[misc]
    """A convolution of stride 2, padded at the end of each axis only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Convolution(channels, channels, stride=2, padding=0, nested=2)

    def forward(self, features: Tensor) -> Tensor:
        """Halve the resolution."""
        return self.conv(nn.functional.pad(features, (0, 1) * 3))


class Double(nn.Module):  # type: ignore[misc]
    """Linear interpolation, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Convolution(channels, channels, nested=2)

    def forward(self, features: Tensor) -> Tensor:
        """Double the resolution."""
        return self.conv(nn.functional.interpolate(features, scale_factor=2.0, mode="trilinear"))


class Blocks(nn.Module):  # type: ignore[misc]
    """Blocks one after the other, named as MAISI's encoder and decoder name theirs."""

    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, features: Tensor) -> Tensor:
        """Apply all of them."""
        for block in self.blocks:
            features = block(features)
        return features


def _encoder(size: AutoencoderSize) -> Blocks:
    width = size.channels[0]
    blocks: list[nn.Module] = [Convolution(size.inputs, width, nested=2)]
    for level, (channels, count) in enumerate(zip(size.channels, size.residual_blocks, strict=True)):
        for _ in range(count):
            blocks.append(ResidualBlock(width, channels, size))
            width = channels
        if level + 1 < len(size.channels):
            blocks.append(Halve(width))
    return Blocks([*blocks, *_last(width, size.latent_channels, size)])


def _decoder(size: AutoencoderSize) -> Blocks:
    width = size.channels[-1]
    blocks: list[nn.Module] = [Convolution(size.latent_channels, width, nested=2)]
    for level in reversed(range(len(size.channels))):
        for _ in range(size.residual_blocks[level]):
            blocks.append(ResidualBlock(width, size.channels[level], size))
            width = size.channels[level]
        if level:
            blocks.append(Double(width))
    return Blocks([*blocks, *_last(width, size.outputs, size)])


def _last(inputs: int, outputs: int, size: AutoencoderSize) -> list[nn.Module]:
    return [nn.GroupNorm(size.norm_groups, inputs, size.norm_eps), Convolution(inputs, outputs, nested=2)]


class Autoencoder(nn.Module):  # type: ignore[misc]
    """MAISI's variational autoencoder.

    References
    ----------
    MONAI, `monai.apps.generation.maisi.networks.autoencoderkl_maisi.AutoencoderKlMaisi`, whose names of
    parameters these are.
    """

    def __init__(self, size: AutoencoderSize) -> None:
        super().__init__()
        channels = size.latent_channels
        self.encoder = _encoder(size)
        self.decoder = _decoder(size)
        self.quant_conv_mu = Convolution(channels, channels, 1)
        self.quant_conv_log_sigma = Convolution(channels, channels, 1)
        self.post_quant_conv = Convolution(channels, channels, 1)

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Give mean and standard deviation of the latent, each (N, c, x/4, y/4, z/4), of images 0..1."""
        features = self.encoder(image)
        log_variance = self.quant_conv_log_sigma(features).clamp(-30.0, 20.0)
        return self.quant_conv_mu(features), torch.exp(log_variance / 2)

    def decode(self, latent: Tensor) -> Tensor:
        """Give the image (N, k, x, y, z) of a latent (N, c, x/4, y/4, z/4)."""
        return self.decoder(self.post_quant_conv(latent))
