"""Read a published checkpoint strictly, and keep it as safetensors, which load faster and run no code."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

logger = logging.getLogger(__name__)

WRAPPERS = ("unet_state_dict", "controlnet_state_dict")
"""Keys under which MAISI's checkpoints hold the weights; others are the weights themselves."""
SCALE_FACTOR = "scale_factor"
_SHOWN = 10
"""Keys that a message lists."""


class BadCheckpoint(ValueError):
    """A checkpoint that cannot be imported; the message names the file and what was expected."""


class Checkpoint(NamedTuple):
    """Weights by key, and the scale of latents where the file has one."""

    path: Path
    weights: Mapping[str, Tensor]
    scale_factor: float | None


def find(folder: Path, patterns: Sequence[str]) -> Path | None:
    """Find a checkpoint by its names in the published bundles, as `.pt` or as our `.safetensors`.

    Raises
    ------
    BadCheckpoint
        More than one file fits.
    """
    places = (folder, folder / "models")
    stems = {
        path.with_suffix("")
        for place in places
        for pattern in patterns
        for suffix in (".pt", ".safetensors")
        for path in place.glob(f"{pattern}{suffix}")
    }
    if len(stems) > 1:
        names = ", ".join(sorted(str(stem.relative_to(folder)) for stem in stems))
        raise BadCheckpoint(f"{folder}: expected one of them, found {names}")
    return stems.pop() if stems else None


def read(stem: Path, *, trusted: bool = False) -> Checkpoint:
    """Read `stem.safetensors`, or `stem.pt` where that is newer or alone; the former is written then.

    Parameters
    ----------
    trusted
        Unpickle whatever a `.pt` holds, which can run any code; else tensors and plain values alone.

    Raises
    ------
    BadCheckpoint
        The file cannot be read, or holds no weights.
    """
    safe, pickled = (stem.with_name(f"{stem.name}{suffix}") for suffix in (".safetensors", ".pt"))
    if safe.exists() and not (pickled.exists() and pickled.stat().st_mtime > safe.stat().st_mtime):
        return _read_safe(safe)
    checkpoint = _read_pickled(pickled, trusted=trusted)
    metadata = {} if checkpoint.scale_factor is None else {SCALE_FACTOR: repr(checkpoint.scale_factor)}
    try:
        save_file({key: value.contiguous() for key, value in checkpoint.weights.items()}, safe, metadata)
    except (OSError, SafetensorError) as error:  # a bundle may lie where nothing can be written
        logger.warning("%s was not kept as safetensors: %s", pickled, error)
    return checkpoint


def _read_safe(path: Path) -> Checkpoint:
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # no mapping
    except (OSError, SafetensorError) as error:
        raise BadCheckpoint(f"{path}: cannot be read as safetensors: {error}") from error
    scale = metadata.get(SCALE_FACTOR)
    return Checkpoint(path, weights, None if scale is None else float(scale))


def _read_pickled(path: Path, *, trusted: bool) -> Checkpoint:
    try:
        # Mapped: some published files hold far more than the weights.
        document = torch.load(path, "cpu", weights_only=not trusted, mmap=True)
    except Exception as error:  # torch raises what its unpickler, its zip reader and the file system do
        hint = "" if trusted else "; if you trust where it comes from, try --trust"
        raise BadCheckpoint(f"{path}: cannot be read as a checkpoint{hint}: {error}") from error
    if not isinstance(document, Mapping):
        raise BadCheckpoint(f"{path}: expected a mapping of weights, found {type(document).__name__}")
    wrapped = next((document[key] for key in WRAPPERS if key in document), document)
    weights = {key: value for key, value in wrapped.items() if isinstance(value, Tensor)}
    if not weights:
        raise BadCheckpoint(f"{path}: holds no weights")
    scale = document.get(SCALE_FACTOR) if wrapped is not document else None
    return Checkpoint(path, weights, None if scale is None else float(scale))


def load(network: nn.Module, checkpoint: Checkpoint, also: Mapping[str, Tensor] | None = None) -> None:
    """Put a checkpoint's weights into a network, float32; what it has too much is logged.

    Parameters
    ----------
    network
        May lie on the device `meta`.
    also
        Weights to take where the checkpoint lacks them.

    Raises
    ------
    BadCheckpoint
        Keys are missing, or their shapes are others.
    """
    expected = {**network.state_dict()}
    given = {**(also or {}), **checkpoint.weights}
    missing = [key for key in expected if key not in given]
    if missing:
        raise BadCheckpoint(f"{checkpoint.path}: {len(missing)} weights are missing: {_some(missing)}")
    wrong = [
        f"{key} {tuple(given[key].shape)} instead of {tuple(value.shape)}"
        for key, value in expected.items()
        if given[key].shape != value.shape
    ]
    if wrong:
        raise BadCheckpoint(f"{checkpoint.path}: {len(wrong)} weights have other shapes: {_some(wrong)}")
    if unexpected := [key for key in checkpoint.weights if key not in expected]:
        logger.warning(
            "%s: %d unexpected weights are left out: %s", checkpoint.path, len(unexpected), _some(unexpected)
        )
    if borrowed := [key for key in expected if key not in checkpoint.weights]:
        logger.warning(
            "%s: %d weights come from the U-Net: %s", checkpoint.path, len(borrowed), _some(borrowed)
        )
    network.load_state_dict({key: given[key].float() for key in expected}, assign=True)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
