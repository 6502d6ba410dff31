"""MAISI's networks as ONNX graphs, the same for all sizes: what `model_repository/maisi_*` runs."""

from pathlib import Path

import torch
from torch import Tensor, nn

from gateway.imaging.maisi.windows import FACTOR
from tools.train.graph import export_graph
from tools.train.maisi.autoencoder import Autoencoder
from tools.train.maisi.diffusion import ControlNet, DiffusionUNet
from tools.train.maisi.sizes import ANATOMY_SLOTS, LABEL_BITS, LATENT_CHANNELS

SPACING_UNITS_PER_MM = 100.0
SIDE = 16
"""Of the latents that the exporter follows through the networks."""


class Velocity(nn.Module):  # type: ignore[misc]  # torch is not there when the types are checked
    """ControlNet and U-Net of one step; the hint, the same for every step, is an input."""

    def __init__(self, unet: DiffusionUNet, controlnet: ControlNet) -> None:
        super().__init__()
        self.unet = unet
        self.controlnet = controlnet

    def forward(
        self, latent: Tensor, timestep: Tensor, hint: Tensor, spacing_mm: Tensor, modality: Tensor
    ) -> Tensor:
        """Predict the velocity of a latent (N, 4, x, y, z)."""
        residuals = self.controlnet(latent, timestep, hint, modality=modality)
        return self.unet(
            latent,
            timestep,
            modality=modality,
            spacing=spacing_mm * SPACING_UNITS_PER_MM,
            residuals=residuals,
        )


class Decoder(nn.Module):  # type: ignore[misc]
    """The half of an autoencoder that is used."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, latent: Tensor) -> Tensor:
        """Decode."""
        return self.autoencoder.decode(latent)


class MaskNoise(nn.Module):  # type: ignore[misc]
    """The U-Net of the mask generator at one step."""

    def __init__(self, unet: DiffusionUNet) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, latent: Tensor, timestep: Tensor, anatomy_size: Tensor) -> Tensor:
        """Predict the noise of a latent (N, 4, x, y, z) that sizes (N, 10) ask for."""
        return self.unet(latent, timestep, context=anatomy_size.unsqueeze(1))


def _space(prefix: str = "") -> dict[int, str]:
    return {axis + 2: f"{prefix}{name}" for axis, name in enumerate("XYZ")}


def write_hint(controlnet: ControlNet, path: Path, *, halved: bool) -> None:
    """Write the embedding of labels: `bits` [1, 8, 4x, 4y, 4z] to `hint` [1, c, x, y, z]."""
    export_graph(
        controlnet.controlnet_cond_embedding,
        path,
        inputs={"bits": torch.zeros(1, LABEL_BITS, *[FACTOR * SIDE] * 3)},
        outputs=["hint"],
        free_axes={"bits": _space("4"), "hint": _space()},
        halved=halved,
    )


def write_velocity(unet: DiffusionUNet, controlnet: ControlNet, path: Path, *, halved: bool) -> None:
    """Write one step: `latent`, `timestep`, `hint`, `spacing_mm`, `modality` to `velocity`."""
    inputs = {
        "latent": torch.zeros(1, LATENT_CHANNELS, SIDE, SIDE, SIDE),
        "timestep": torch.zeros(1),
        "hint": torch.zeros(1, unet.first_channels, SIDE, SIDE, SIDE),
        "spacing_mm": torch.ones(1, 3),
        "modality": torch.ones(1, dtype=torch.int64),
    }
    export_graph(
        Velocity(unet, controlnet),
        path,
        inputs=inputs,
        outputs=["velocity"],
        free_axes={name: _space() for name in ("latent", "hint", "velocity")},
        halved=halved,
    )


def write_decoder(autoencoder: Autoencoder, path: Path, *, halved: bool) -> None:
    """Write a decoder: `latent` [1, 4, x, y, z] to `image` [1, k, 4x, 4y, 4z]."""
    export_graph(
        Decoder(autoencoder),
        path,
        inputs={"latent": torch.zeros(1, LATENT_CHANNELS, SIDE, SIDE, SIDE)},
        outputs=["image"],
        free_axes={"latent": _space(), "image": _space("4")},
        halved=halved,
    )


def write_mask_noise(unet: DiffusionUNet, path: Path) -> None:
    """Write one step of the mask generator: `latent`, `timestep`, `anatomy_size` to `noise`."""
    inputs = {
        "latent": torch.zeros(1, LATENT_CHANNELS, SIDE, SIDE, SIDE),
        "timestep": torch.zeros(1),
        "anatomy_size": torch.zeros(1, ANATOMY_SLOTS),
    }
    export_graph(
        MaskNoise(unet),
        path,
        inputs=inputs,
        outputs=["noise"],
        free_axes={name: _space() for name in ("latent", "noise")},
    )
