"""What the diffusion networks are made of; names of parameters are MONAI's."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tools.train.maisi.sizes import UNetSize

MAX_PERIOD = 10_000


class Convolution(nn.Module):  # type: ignore[misc]  # torch is not there when the types are checked
    """A convolution under the name `conv`, or `conv.conv`, as MONAI's wrappers call theirs."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        padding: int | None = None,
        nested: int = 1,
    ) -> None:
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = (
            nn.Conv3d(inputs, outputs, kernel, stride, padding)
            if nested == 1
            else Convolution(inputs, outputs, kernel, stride=stride, padding=padding, nested=nested - 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Convolve."""
        return self.conv(features)


def zeroed(layer: nn.Module) -> nn.Module:
    """Set all weights to zero: the layer adds nothing until it has learnt to."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def embedding(inputs: int, outputs: int) -> nn.Sequential:
    """Give two linear layers with a SiLU between."""
    return nn.Sequential(nn.Linear(inputs, outputs), nn.SiLU(), nn.Linear(outputs, outputs))


def timestep_embedding(timesteps: Tensor, channels: int) -> Tensor:
    """Give cosines and sines (N, channels) of timesteps (N,) at falling frequencies."""
    half = channels // 2
    frequencies = torch.exp(-math.log(MAX_PERIOD) * torch.arange(half, dtype=torch.float32) / half)
    angles = timesteps[:, None].float() * frequencies.to(timesteps.device)[None]
    return torch.cat([torch.cos(angles), torch.sin(angles)], 1)


class ResidualBlock(nn.Module):  # type: ignore[misc]
    """Two convolutions that are told the timestep in between; `resample` halves or doubles before them."""

    def __init__(
        self, inputs: int, outputs: int, embedded: int, size: UNetSize, resample: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(size.norm_groups, inputs, size.norm_eps)
        self.conv1 = Convolution(inputs, outputs)
        self.time_emb_proj = nn.Linear(embedded, outputs)
        self.norm2 = nn.GroupNorm(size.norm_groups, outputs, size.norm_eps)
        self.conv2 = zeroed(Convolution(outputs, outputs))
        self.skip_connection = nn.Identity() if inputs == outputs else Convolution(inputs, outputs, 1)
        self.resample = resample or nn.Identity()

    def forward(self, features: Tensor, embedded: Tensor) -> Tensor:
        """Add what the convolutions find to the features (N, c, x, y, z); `embedded` is (N, e)."""
        found = self.conv1(self.resample(nn.functional.silu(self.norm1(features))))
        found = found + self.time_emb_proj(nn.functional.silu(embedded))[:, :, None, None, None]
        found = self.conv2(nn.functional.silu(self.norm2(found)))
        return self.skip_connection(self.resample(features)) + found


class Attention(nn.Module):  # type: ignore[misc]
    """Attention of tokens to a context, or to each other."""

    def __init__(
        self, channels: int, context: int, head_channels: int, *, biased: bool, projected: bool
    ) -> None:
        super().__init__()
        self.head_channels = head_channels
        self.to_q = nn.Linear(channels, channels, bias=biased)
        self.to_k = nn.Linear(context, channels, bias=biased)
        self.to_v = nn.Linear(context, channels, bias=biased)
        self.out_proj = nn.Linear(channels, channels) if projected else nn.Identity()

    def forward(self, tokens: Tensor, context: Tensor | None = None) -> Tensor:
        """Give what tokens (N, t, c) gather of a context (N, u, d); None: of themselves."""
        context = tokens if context is None else context
        query, key, value = self.to_q(tokens), self.to_k(context), self.to_v(context)
        gathered = nn.functional.scaled_dot_product_attention(*map(self._heads, (query, key, value)))
        return self.out_proj(gathered.transpose(1, 2).flatten(2))

    def _heads(self, rows: Tensor) -> Tensor:
        return rows.unflatten(2, (-1, self.head_channels)).transpose(1, 2)


class SpatialAttention(nn.Module):  # type: ignore[misc]
    """Attention of all voxels to each other."""

    def __init__(self, channels: int, head_channels: int, size: UNetSize) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(size.norm_groups, channels, size.norm_eps)
        self.attn = Attention(
            channels, channels, head_channels, biased=True, projected=size.projects_attention
        )

    def forward(self, features: Tensor, context: Tensor | None = None) -> Tensor:
        """Add what voxels gather to the features (N, c, x, y, z); there is no context here."""
        tokens = self.norm(features).flatten(2).transpose(1, 2)
        return self.attn(tokens).transpose(1, 2).reshape(features.shape) + features


class GatedLinear(nn.Module):  # type: ignore[misc]
    """Two linear layers, of which the first is gated by a GELU of half of it."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, 2 * hidden)
        self.linear2 = nn.Linear(hidden, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (N, t, c)."""
        passed, gate = self.linear1(tokens).chunk(2, -1)
        return self.linear2(passed * nn.functional.gelu(gate))


class TransformerBlock(nn.Module):  # type: ignore[misc]
    """Attention of tokens to each other, then to a context, then a layer of their own."""

    def __init__(self, channels: int, head_channels: int, context_channels: int, *, projected: bool) -> None:
        super().__init__()
        self.attn1 = Attention(channels, channels, head_channels, biased=False, projected=projected)
        self.ff = GatedLinear(channels, 4 * channels)
        self.attn2 = Attention(channels, context_channels, head_channels, biased=False, projected=True)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.norm3 = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Add what all three find to tokens (N, t, c)."""
        tokens = self.attn1(self.norm1(tokens)) + tokens
        tokens = self.attn2(self.norm2(tokens), context) + tokens
        return self.ff(self.norm3(tokens)) + tokens


class SpatialTransformer(nn.Module):  # type: ignore[misc]
    """Attention of all voxels to each other and to a context."""

    def __init__(self, channels: int, head_channels: int, size: UNetSize) -> None:
        super().__init__()
        if size.context_channels is None:
            raise ValueError("a transformer needs a context to attend to")
        self.norm = nn.GroupNorm(size.norm_groups, channels, size.norm_eps)
        self.proj_in = Convolution(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList(
            [
                TransformerBlock(
                    channels, head_channels, size.context_channels, projected=size.projects_attention
                )
            ]
        )
        self.proj_out = zeroed(Convolution(channels, channels, 1))

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """Add what voxels gather to the features (N, c, x, y, z); `context` is (N, u, d)."""
        projected = self.proj_in(self.norm(features))
        tokens = projected.flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
        return self.proj_out(tokens.transpose(1, 2).reshape(projected.shape)) + features


def attention(level: int, size: UNetSize) -> nn.Module:
    """Give the attention of a level of a U-Net, plain or with context."""
    make = SpatialAttention if size.context_channels is None else SpatialTransformer
    return make(size.channels[level], size.head_channels[level], size)


class ConvolvedHalving(nn.Module):  # type: ignore[misc]
    """A convolution of stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = Convolution(channels, channels, stride=2)

    def forward(self, features: Tensor, embedded: Tensor) -> Tensor:
        """Halve the resolution; the embedding is not looked at."""
        return self.op(features)


class ConvolvedDoubling(nn.Module):  # type: ignore[misc]
    """Repeated voxels, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.postconv = Convolution(channels, channels)

    def forward(self, features: Tensor, embedded: Tensor) -> Tensor:
        """Double the resolution; the embedding is not looked at."""
        return self.postconv(nn.functional.interpolate(features, scale_factor=2.0, mode="nearest"))


class DownLevel(nn.Module):  # type: ignore[misc]
    """One level of the way down: residual blocks, attention where there is any, halving but at the end."""

    def __init__(self, level: int, embedded: int, size: UNetSize) -> None:
        super().__init__()
        channels = size.channels[level]
        before = size.channels[max(level - 1, 0)]
        inputs = [before, *[channels] * (size.residual_blocks - 1)]
        # Attention before the residual blocks, as MONAI registers them: the order of keys is the same then.
        if size.attention[level]:
            self.attentions = nn.ModuleList([attention(level, size) for _ in inputs])
        self.resnets = nn.ModuleList([ResidualBlock(each, channels, embedded, size) for each in inputs])
        self.downsampler = self._downsampler(level, embedded, size)

    @staticmethod
    def _downsampler(level: int, embedded: int, size: UNetSize) -> nn.Module | None:
        channels = size.channels[level]
        if level + 1 == len(size.channels):
            return None
        if size.residual_resampling:
            return ResidualBlock(channels, channels, embedded, size, nn.AvgPool3d(2))
        return ConvolvedHalving(channels)

    def forward(
        self, features: Tensor, embedded: Tensor, context: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        """Give the features for the next level, and those that the way up takes from here."""
        kept = []
        for number, block in enumerate(self.resnets):
            features = block(features, embedded)
            if hasattr(self, "attentions"):
                features = self.attentions[number](features, context)
            kept.append(features)
        if self.downsampler is not None:
            features = self.downsampler(features, embedded)
            kept.append(features)
        return features, kept


class Middle(nn.Module):  # type: ignore[misc]
    """The lowest level: two residual blocks about an attention."""

    def __init__(self, embedded: int, size: UNetSize) -> None:
        super().__init__()
        channels = size.channels[-1]
        self.resnet_1 = ResidualBlock(channels, channels, embedded, size)
        self.attention = attention(len(size.channels) - 1, size)
        self.resnet_2 = ResidualBlock(channels, channels, embedded, size)

    def forward(self, features: Tensor, embedded: Tensor, context: Tensor | None) -> Tensor:
        """Apply all three."""
        features = self.attention(self.resnet_1(features, embedded), context)
        return self.resnet_2(features, embedded)


class UpLevel(nn.Module):  # type: ignore[misc]
    """One level of the way up: each residual block takes one of what the way down kept."""

    def __init__(self, level: int, embedded: int, size: UNetSize) -> None:
        super().__init__()
        channels = size.channels[level]
        count = size.residual_blocks + 1
        below = size.channels[min(level + 1, len(size.channels) - 1)]
        kept = [*[channels] * (count - 1), size.channels[max(level - 1, 0)]]
        inputs = [below + kept[0], *(channels + each for each in kept[1:])]
        self.resnets = nn.ModuleList([ResidualBlock(each, channels, embedded, size) for each in inputs])
        if size.attention[level]:
            self.attentions = nn.ModuleList([attention(level, size) for _ in inputs])
        self.upsampler = self._upsampler(level, embedded, size)

    @staticmethod
    def _upsampler(level: int, embedded: int, size: UNetSize) -> nn.Module | None:
        channels = size.channels[level]
        if level == 0:
            return None
        if size.residual_resampling:
            return ResidualBlock(channels, channels, embedded, size, nn.Upsample(scale_factor=2.0))
        return ConvolvedDoubling(channels)

    def forward(
        self, features: Tensor, embedded: Tensor, context: Tensor | None, kept: Sequence[Tensor]
    ) -> Tensor:
        """Give the features for the next level; `kept` are those of the way down, the last one first."""
        for number, (block, beside) in enumerate(zip(self.resnets, kept, strict=True)):
            features = block(torch.cat([features, beside], 1), embedded)
            if hasattr(self, "attentions"):
                features = self.attentions[number](features, context)
        return features if self.upsampler is None else self.upsampler(features, embedded)
