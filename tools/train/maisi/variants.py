"""Where a size of MAISI lies in a model repository: its graphs, and beside them how they are to be run."""

import json
from pathlib import Path
from typing import Any

from tools.train.maisi import graphs
from tools.train.maisi.autoencoder import Autoencoder
from tools.train.maisi.diffusion import ControlNet, DiffusionUNet

VARIANT = "variant.json"


def write_latent(
    repository: Path,
    unet: DiffusionUNet,
    controlnet: ControlNet,
    *,
    name: str,
    version: str,
    steps: int,
    scale_factor: float,
    modality: int,
    halved: bool = False,
) -> None:
    """Write `maisi_latent`: labels to a latent, by a rectified flow.

    Parameters
    ----------
    name, version
        Of the model, as answers name it.
    steps
        As many as are taken where none are asked for.
    scale_factor
        What latents were multiplied by in training.
    modality
        The class that the networks are told; 1 is CT.
    halved
        Store weights as float16.
    """
    folder = repository / "maisi_latent" / "1"
    graphs.write_hint(controlnet, folder / "hint.onnx", halved=halved)
    graphs.write_velocity(unet, controlnet, folder / "velocity.onnx", halved=halved)
    document = {
        "sampler": "rectified-flow",
        "steps": steps,
        "scale_factor": scale_factor,
        "modality": modality,
    }
    _write(folder, {"name": name, "version": version, **document})


def write_decode(
    repository: Path,
    autoencoder: Autoencoder,
    *,
    name: str,
    version: str,
    window: int,
    overlap: float,
    halved: bool = False,
) -> None:
    """Write `maisi_decode`: a latent to an image, in windows of at most `window` voxels of the latent."""
    folder = repository / "maisi_decode" / "1"
    graphs.write_decoder(autoencoder, folder / "decoder.onnx", halved=halved)
    _write(folder, {"name": name, "version": version, "window": window, "overlap": overlap})


def write_mask(
    repository: Path,
    autoencoder: Autoencoder,
    unet: DiffusionUNet,
    *,
    name: str,
    version: str,
    scale_factor: float,
    window: int,
    overlap: float,
) -> None:
    """Write what generates masks in `maisi_mask`: sizes of organs to labels, by 1000 steps of denoising."""
    folder = repository / "maisi_mask" / "1"
    graphs.write_mask_noise(unet, folder / "mask_noise.onnx")
    graphs.write_decoder(autoencoder, folder / "mask_decoder.onnx", halved=False)
    document = {"sampler": "ddpm", "steps": 1000, "scale_factor": scale_factor}
    _write(folder, {"name": name, "version": version, **document, "window": window, "overlap": overlap})


def _write(folder: Path, document: dict[str, Any]) -> None:
    (folder / VARIANT).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
