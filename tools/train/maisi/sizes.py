"""Hyper-parameters of MAISI's networks: those of the published weights, and those of the embedded small ones.

The published ones are the `config_network_*.json` of NV-Generate-CTMR (`OFFICIAL`).
"""

from dataclasses import dataclass

LATENT_CHANNELS = 4
LABEL_BITS = 8
MASK_CHANNELS = 125
"""Of the mask generator: background, 123 structures and the body; see `labels.json`."""
ANATOMY_SLOTS = 10
"""Organs and tumours whose size conditions the mask generator."""


@dataclass(frozen=True)
class AutoencoderSize:
    """A convolutional autoencoder whose latent has a quarter of the voxels along each axis."""

    inputs: int
    outputs: int
    channels: tuple[int, ...]
    """From the image's resolution downwards."""
    residual_blocks: tuple[int, ...]
    norm_groups: int = 32
    norm_eps: float = 1e-6
    latent_channels: int = LATENT_CHANNELS


@dataclass(frozen=True)
class UNetSize:
    """A diffusion U-Net, or the half of one that a ControlNet is."""

    channels: tuple[int, ...]
    """From the latent's resolution downwards."""
    attention: tuple[bool, ...]
    head_channels: tuple[int, ...]
    """Of one head of attention at each level; those of levels without attention are not read."""
    residual_blocks: int
    norm_groups: int = 32
    norm_eps: float = 1e-6
    residual_resampling: bool = False
    """Halve and double by residual blocks instead of convolutions."""
    projects_attention: bool = False
    """Whether a linear layer follows the attention of a block without context."""
    classes: int | None = None
    """Modalities that it tells apart; None: it is not told."""
    takes_spacing: bool = False
    takes_regions: bool = False
    context_channels: int | None = None
    """Length of the vector that cross-attention looks at; None: plain attention."""
    latent_channels: int = LATENT_CHANNELS


@dataclass(frozen=True)
class ControlNetSize:
    """A ControlNet: the half of the U-Net that it steers, and how it embeds labels."""

    unet: UNetSize
    hint_channels: tuple[int, ...]
    """Of the label embedding, from the image's resolution downwards to the latent's."""


@dataclass(frozen=True)
class Sizes:
    """All networks of one MAISI."""

    autoencoder: AutoencoderSize
    unet: UNetSize
    controlnet: ControlNetSize
    mask_autoencoder: AutoencoderSize | None = None
    """None where masks are drawn instead of generated."""
    mask_unet: UNetSize | None = None


def _steered(unet: UNetSize, hint_channels: tuple[int, ...]) -> ControlNetSize:
    """Give the ControlNet of a U-Net, which is not told of spacing and regions."""
    half = UNetSize(**{**vars(unet), "takes_spacing": False, "takes_regions": False})
    return ControlNetSize(half, hint_channels)


_ATTENTION = (False, False, True, True)
_OFFICIAL_CHANNELS = (64, 128, 256, 512)
_OFFICIAL_HEADS = (0, 0, 32, 32)
_OFFICIAL_AUTOENCODER = AutoencoderSize(1, 1, channels=(64, 128, 256), residual_blocks=(2, 2, 2))
_OFFICIAL_MASK_AUTOENCODER = AutoencoderSize(
    LABEL_BITS, MASK_CHANNELS, channels=(32, 64, 128), residual_blocks=(1, 2, 2)
)
_RECTIFIED_FLOW = UNetSize(
    channels=_OFFICIAL_CHANNELS,
    attention=_ATTENTION,
    head_channels=_OFFICIAL_HEADS,
    residual_blocks=2,
    residual_resampling=True,
    projects_attention=True,
    classes=128,
    takes_spacing=True,
)
_DDPM = UNetSize(
    channels=_OFFICIAL_CHANNELS,
    attention=_ATTENTION,
    head_channels=_OFFICIAL_HEADS,
    residual_blocks=2,
    takes_spacing=True,
    takes_regions=True,
)
_MASK_UNET = UNetSize(
    channels=_OFFICIAL_CHANNELS,
    attention=_ATTENTION,
    head_channels=_OFFICIAL_HEADS,
    residual_blocks=2,
    projects_attention=True,
    context_channels=ANATOMY_SLOTS,
)
_OFFICIAL_HINT = (8, 32, 64)
OFFICIAL = Sizes(
    _OFFICIAL_AUTOENCODER,
    _RECTIFIED_FLOW,
    _steered(_RECTIFIED_FLOW, _OFFICIAL_HINT),
    _OFFICIAL_MASK_AUTOENCODER,
    _MASK_UNET,
)
"""As published with rectified flow."""
OFFICIAL_DDPM = Sizes(
    _OFFICIAL_AUTOENCODER,
    _DDPM,
    _steered(_DDPM, _OFFICIAL_HINT),
    _OFFICIAL_MASK_AUTOENCODER,
    _MASK_UNET,
)
"""As published with 1000 steps of denoising."""
_SMALL_FLOW = UNetSize(
    channels=(16, 32, 48, 64),
    attention=_ATTENTION,
    head_channels=(0, 0, 16, 16),
    residual_blocks=1,
    norm_groups=8,
    residual_resampling=True,
    projects_attention=True,
    classes=128,
    takes_spacing=True,
)
SMALL = Sizes(
    # A voxel's value must not depend on how much air is in view: windows and whole volumes see different
    # fields. One group, whose variance is small beside epsilon, makes of normalisation nearly a constant.
    AutoencoderSize(1, 1, channels=(8, 16, 32), residual_blocks=(1, 1, 1), norm_groups=1, norm_eps=4.0),
    _SMALL_FLOW,
    _steered(_SMALL_FLOW, (16, 24, 32)),
)
"""The embedded default: drawn masks, and networks that two CPU cores run in seconds."""
