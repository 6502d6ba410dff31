"""The diffusion U-Net and the ControlNet that steers it, in PyTorch; names of parameters are MONAI's."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tools.train.maisi.blocks import (
    Convolution,
    DownLevel,
    Middle,
    UpLevel,
    embedding,
    timestep_embedding,
    zeroed,
)
from tools.train.maisi.sizes import LABEL_BITS, ControlNetSize, UNetSize

REGIONS = 4


class _Timed(nn.Module):  # type: ignore[misc]  # torch is not there when the types are checked
    """What U-Net and ControlNet share: the embedding of timestep and modality."""

    def __init__(self, size: UNetSize) -> None:
        super().__init__()
        self.first_channels = size.channels[0]
        width = 4 * size.channels[0]
        self.conv_in = Convolution(size.latent_channels, size.channels[0])
        self.time_embed = embedding(size.channels[0], width)
        if size.classes is not None:
            self.class_embedding = nn.Embedding(size.classes, width)

    def embedded(self, timesteps: Tensor, modality: Tensor | None) -> Tensor:
        """Give the embedding (N, 4c) of timesteps (N,) and, where the network is told it, modality (N,)."""
        embedded = self.time_embed(timestep_embedding(timesteps, self.first_channels))
        if hasattr(self, "class_embedding"):
            embedded = embedded + self.class_embedding(modality)
        return embedded


class DiffusionUNet(_Timed):
    """Predicts velocity or noise of a latent at a timestep.

    References
    ----------
    MONAI, `DiffusionModelUNetMaisi` of `monai.apps.generation.maisi.networks.diffusion_model_unet_maisi`, and
    with a context `monai.networks.nets.diffusion_model_unet.DiffusionModelUNet`.
    """

    def __init__(self, size: UNetSize) -> None:
        super().__init__(size)
        width = 4 * size.channels[0]
        levels = range(len(size.channels))
        if size.takes_regions:
            self.top_region_index_layer = embedding(REGIONS, width)
            self.bottom_region_index_layer = embedding(REGIONS, width)
        if size.takes_spacing:
            self.spacing_layer = embedding(3, width)
        width *= 1 + 2 * size.takes_regions + size.takes_spacing
        self.down_blocks = nn.ModuleList([DownLevel(level, width, size) for level in levels])
        self.middle_block = Middle(width, size)
        self.up_blocks = nn.ModuleList([UpLevel(level, width, size) for level in reversed(levels)])
        self.out = nn.Sequential(
            nn.GroupNorm(size.norm_groups, size.channels[0], size.norm_eps),
            nn.SiLU(),
            zeroed(Convolution(size.channels[0], size.latent_channels)),
        )

    def forward(
        self,
        latent: Tensor,
        timesteps: Tensor,
        *,
        modality: Tensor | None = None,
        spacing: Tensor | None = None,
        regions: tuple[Tensor, Tensor] | None = None,
        context: Tensor | None = None,
        residuals: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Predict, of the latent's shape (N, 4, x, y, z).

        Parameters
        ----------
        timesteps
            (N,), 0 to 1000.
        modality
            (N,), int64; 1 is CT.
        spacing
            (N, 3), in hundredths of a millimetre.
        regions
            Top and bottom region, each (N, 4) one-hot, times 100.
        context
            (N, 1, context_channels).
        residuals
            Of the ControlNet.
        """
        embedded = self.embedded(timesteps, modality)
        if regions is not None:
            top, bottom = regions
            embedded = torch.cat(
                [embedded, self.top_region_index_layer(top), self.bottom_region_index_layer(bottom)], 1
            )
        if hasattr(self, "spacing_layer"):
            embedded = torch.cat([embedded, self.spacing_layer(spacing)], 1)
        features = self.conv_in(latent)
        kept = [features]
        for level in self.down_blocks:
            features, more = level(features, embedded, context)
            kept += more
        middle_residual = None
        if residuals is not None:
            *down_residuals, middle_residual = residuals
            kept = [own + added for own, added in zip(kept, down_residuals, strict=True)]
            # MONAI adds in place: the middle, too, sees the last level with its residual.
            features = kept[-1]
        features = self.middle_block(features, embedded, context)
        if middle_residual is not None:
            features = features + middle_residual
        for level in self.up_blocks:
            count = len(level.resnets)
            features = level(features, embedded, context, kept[: -count - 1 : -1])
            del kept[-count:]
        return self.out(features)


class HintEmbedding(nn.Module):  # type: ignore[misc]
    """Labels in binary to features of the latent's resolution."""

    def __init__(self, channels: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.conv_in = Convolution(LABEL_BITS, channels[0])
        blocks = []
        for inputs, following in itertools.pairwise(channels):
            blocks += [Convolution(inputs, inputs), Convolution(inputs, following, stride=2)]
        self.blocks = nn.ModuleList(blocks)
        self.conv_out = zeroed(Convolution(channels[-1], outputs))

    def forward(self, bits: Tensor) -> Tensor:
        """Embed bits (N, 8, x, y, z): (N, c, x/4, y/4, z/4)."""
        features = nn.functional.silu(self.conv_in(bits))
        for block in self.blocks:
            features = nn.functional.silu(block(features))
        return self.conv_out(features)


class ControlNet(_Timed):
    """Labels to what is added inside a U-Net so that it draws them.

    References
    ----------
    Zhang, Rao, Agrawala: Adding Conditional Control to Text-to-Image Diffusion Models, 2023.
    MONAI, `ControlNetMaisi` of `monai.apps.generation.maisi.networks.controlnet_maisi`.
    """

    def __init__(self, size: ControlNetSize) -> None:
        unet = size.unet
        super().__init__(unet)
        width = 4 * unet.channels[0]
        levels = range(len(unet.channels))
        self.controlnet_cond_embedding = HintEmbedding(size.hint_channels, unet.channels[0])
        self.down_blocks = nn.ModuleList([DownLevel(level, width, unet) for level in levels])
        kept = [unet.channels[0]]
        for level in levels:
            is_last = level + 1 == len(levels)
            kept += [unet.channels[level]] * (unet.residual_blocks + (not is_last))
        # MONAI unwraps the first of them, and no other.
        first, *others = (zeroed(Convolution(channels, channels, 1)) for channels in kept)
        self.controlnet_down_blocks = nn.ModuleList([first.conv, *others])
        self.middle_block = Middle(width, unet)
        self.controlnet_mid_block = zeroed(Convolution(unet.channels[-1], unet.channels[-1], 1))

    def forward(
        self, latent: Tensor, timesteps: Tensor, hint: Tensor, *, modality: Tensor | None = None
    ) -> list[Tensor]:
        """Give the residuals of the way down, then that of the middle.

        Parameters
        ----------
        hint
            (N, c, x, y, z) of `controlnet_cond_embedding`, which is not called here: it is the same for
            every timestep.
        """
        embedded = self.embedded(timesteps, modality)
        features = self.conv_in(latent) + hint
        kept = [features]
        for level in self.down_blocks:
            features, more = level(features, embedded, None)
            kept += more
        features = self.middle_block(features, embedded, None)
        residuals = [layer(each) for layer, each in zip(self.controlnet_down_blocks, kept, strict=True)]
        return [*residuals, self.controlnet_mid_block(features)]
