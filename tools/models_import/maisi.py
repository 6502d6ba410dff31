"""Import MAISI's published weights: checkpoints of the official layout to the graphs of `maisi_*`.

The layouts are those of MONAI's bundle `maisi_ct_generative` 1.0.0 and of NV-Generate-CTMR's `models/`.
"""

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tools.models_import.checkpoints import BadCheckpoint, Checkpoint, find, load, read
from tools.models_import.masks import find_masks, write_masks
from tools.train.maisi.autoencoder import Autoencoder
from tools.train.maisi.diffusion import ControlNet, DiffusionUNet
from tools.train.maisi.sizes import OFFICIAL, Sizes
from tools.train.maisi.variants import write_decode, write_latent, write_mask

logger = logging.getLogger(__name__)

FILES = {
    "autoencoder": ("autoencoder_v1", "autoencoder_epoch*"),
    "unet": ("diff_unet_3d_rflow-ct", "diff_unet_ckpt_epoch*"),
    "controlnet": ("controlnet_3d_rflow-ct", "controlnet_epoch*"),
    "mask_autoencoder": ("mask_generation_autoencoder",),
    "mask_unet": ("mask_generation_diffusion_unet",),
}
"""Names of the published files, without their ending."""
STEPS = 30
CT = 1
WINDOW, OVERLAP = 48, 0.25
"""Of decoding; a window takes about 12 GB as it is decoded."""
MASK_WINDOW = 32


def import_maisi(bundle: Path, repository: Path, *, trusted: bool = False, sizes: Sizes = OFFICIAL) -> None:
    """Write the graphs of a bundle over those of a model repository.

    Parameters
    ----------
    bundle
        Folder with the checkpoints, or with a folder `models` that has them. Without the two of the mask
        generator masks of given sizes are drawn as before, and without the database of masks the others.
    repository
        Triton's folder of models.
    trusted
        See `read`.
    sizes
        Other hyper-parameters than the published ones.

    Raises
    ------
    BadCheckpoint
        A file is absent or does not fit; nothing was written then.
    """
    found = {part: find(bundle, names) for part, names in FILES.items()}
    for part in ("autoencoder", "unet", "controlnet"):
        if found[part] is None:
            expected = " or ".join(f"{name}.pt" for name in FILES[part])
            raise BadCheckpoint(f"{bundle}: expected {expected} there or in models/")
    checkpoints = {part: read(stem, trusted=trusted) for part, stem in found.items() if stem is not None}
    unet_weights = checkpoints["unet"]
    if any(key.startswith("top_region_index_layer") for key in unet_weights.weights):
        raise BadCheckpoint(f"{unet_weights.path}: expected a rectified flow, found 1000 steps of denoising")
    named: dict[str, Any] = {"name": "official", "version": _version(bundle)}
    with _emptily():
        autoencoder = Autoencoder(sizes.autoencoder)
        unet, controlnet = DiffusionUNet(sizes.unet), ControlNet(sizes.controlnet)
    load(autoencoder, checkpoints["autoencoder"])
    load(unet, unet_weights)
    # The official code starts from the U-Net's weights, and then takes what the checkpoint has.
    expected_shapes = {key: value.shape for key, value in controlnet.state_dict().items()}
    shared = {
        key: value for key, value in unet_weights.weights.items() if expected_shapes.get(key) == value.shape
    }
    load(controlnet, checkpoints["controlnet"], also=shared)
    mask, masks = _mask_networks(checkpoints, sizes), find_masks(bundle)
    write_latent(
        repository, unet, controlnet, **named,
        steps=STEPS, scale_factor=_scale_factor(unet_weights), modality=CT,
    )  # fmt: skip
    write_decode(repository, autoencoder, **named, window=WINDOW, overlap=OVERLAP)
    if mask:
        scale = _scale_factor(checkpoints["mask_unet"])
        write_mask(repository, *mask, **named, scale_factor=scale, window=MASK_WINDOW, overlap=OVERLAP)
    write_masks(masks, repository)
    logger.info(
        "written to %s; masks of given sizes are %s, others are %s",
        repository, "generated" if mask else "drawn", "of real bodies" if masks.archive else "drawn",
    )  # fmt: skip


def _mask_networks(
    checkpoints: dict[str, Checkpoint], sizes: Sizes
) -> tuple[Autoencoder, DiffusionUNet] | None:
    """Load the mask generator, where the bundle has both of its halves."""
    halves = [part for part in ("mask_autoencoder", "mask_unet") if part in checkpoints]
    if len(halves) == 1:
        raise BadCheckpoint(f"{checkpoints[halves[0]].path}: expected the mask generator's other half, too")
    if not halves or sizes.mask_autoencoder is None or sizes.mask_unet is None:
        return None
    with _emptily():
        autoencoder, unet = Autoencoder(sizes.mask_autoencoder), DiffusionUNet(sizes.mask_unet)
    load(autoencoder, checkpoints["mask_autoencoder"])
    load(unet, checkpoints["mask_unet"])
    return autoencoder, unet


@contextlib.contextmanager
def _emptily() -> Iterator[None]:
    """Build networks without room for weights, which are given to them afterwards."""
    with torch.device("meta"):
        yield


def _scale_factor(checkpoint: Checkpoint) -> float:
    if checkpoint.scale_factor is None:
        raise BadCheckpoint(f"{checkpoint.path}: expected a scale_factor beside the weights")
    return checkpoint.scale_factor


def _version(bundle: Path) -> str:
    """Read the bundle's version, where it says one."""
    try:
        return str(json.loads((bundle / "configs" / "metadata.json").read_text("utf-8"))["version"])
    except (OSError, ValueError, KeyError):
        return "unknown"
