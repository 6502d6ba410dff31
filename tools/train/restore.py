"""A shipped graph back as a network that can be trained on."""

from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)

_UNNAMED = "onnx::"
"""How the exporter names what it made itself: convolutions with their normalisation folded in."""


def restore(path: Path, network: Network) -> Network:
    """Read the weights of an exported graph.

    The graph holds each normalisation as part of the convolution before it. Here, it does nothing but
    shift, and must stay as it is, see `settle`: its true mean and variance are lost, as is all that serves
    training only.

    Parameters
    ----------
    path
        A graph that `write_graph` wrote, of the network as it is now.
    network
        A new one; what the graph does not hold of it stays new.

    Returns
    -------
    The network, in evaluation mode.

    Raises
    ------
    ValueError
        The graph is of another network.
    """
    tensors = [
        (tensor.name, torch.tensor(numpy_helper.to_array(tensor)).float())
        for tensor in onnx.load(str(path)).graph.initializer
    ]
    named = {name.removesuffix(".half"): values for name, values in tensors if not name.startswith(_UNNAMED)}
    folded = [values for name, values in tensors if name.startswith(_UNNAMED)]
    state = {**network.state_dict(), **named}
    pairs = _normalised(network)
    if len(folded) != 2 * len(pairs):
        raise ValueError(f"{path}: {len(folded)} folded tensors, expected {2 * len(pairs)}")
    for (convolution, norm), weight, bias in zip(pairs, folded[::2], folded[1::2], strict=True):
        state[f"{convolution}.weight"] = weight
        state.update(_shift_of(norm, bias))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{path}: no graph of this network: {error}") from error
    network.eval()
    return network


def settle(network: nn.Module) -> None:
    """Keep a restored network's normalisations as they are, in training mode too."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()


def _normalised(network: nn.Module) -> list[tuple[str, str]]:
    """Name each convolution that is normalised and its normalisation, in the order of the graph."""
    layers = [(name, layer) for name, layer in network.named_modules() if not list(layer.children())]
    return [
        (name, after) for (name, _), (after, layer) in pairwise(layers) if isinstance(layer, nn.BatchNorm2d)
    ]


def _shift_of(norm: str, bias: Tensor) -> dict[str, Tensor]:
    ones, zeros = torch.ones_like(bias), torch.zeros_like(bias)
    epsilon = nn.BatchNorm2d(1).eps
    return {
        f"{norm}.weight": ones,
        f"{norm}.bias": bias,
        f"{norm}.running_mean": zeros,
        f"{norm}.running_var": ones - epsilon,
    }
