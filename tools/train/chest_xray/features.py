"""Pooled features of films, of films with drawn lesions and of the same films untouched."""

from typing import NamedTuple

import numpy as np
import torch

from tools.phantoms.chest_lesions import LESIONS, draw
from tools.phantoms.lung_fields import Lungs, lung_fields
from tools.train.chest_xray.composites import changed
from tools.train.chest_xray.networks import FindingsNetwork, normalise

CHANGES = 2
"""Randomly changed versions of each film to learn from, besides the film and its mirror image."""
DRAWINGS = 6
"""Lesions of each kind drawn on each film without findings."""


class Features(NamedTuple):
    """What the network's last layer before the head gives, averaged over each film."""

    films: np.ndarray
    """float32 (N, 4, 128): the film, mirrored, changed twice."""
    backgrounds: np.ndarray
    """int (M,): the films that were drawn on."""
    drawn: dict[str, np.ndarray]
    """float32 (M, 6, 128) by finding."""
    anatomy: np.ndarray
    """float32 (128, 16, 16): how a place of the film differs from the film's mean, on average."""
    local: np.ndarray
    """float64 (128, 128): covariance of what is left within a film once mean and anatomy are taken off."""


def extract(network: FindingsNetwork, films: np.ndarray, normal: np.ndarray, seed: int) -> Features:
    """Run the network over films and composites.

    Parameters
    ----------
    network
        In evaluation mode.
    films
        uint8 (N, 256, 256).
    normal
        bool (N,): the films without findings, to draw on.
    seed
        Of the changes and of the lesions.
    """
    generator = np.random.default_rng(seed)
    anatomy, local = _within(network, films)
    rows = [pooled(network, _versions(film, generator)) for film in films]
    found = {int(index): lung_fields(films[index]) for index in np.flatnonzero(normal)}
    lungs = {index: fields for index, fields in found.items() if fields is not None}
    drawn = {
        name: np.stack([pooled(network, _drawn(name, films[i], lungs[i], generator)) for i in lungs])
        for name in LESIONS
    }
    return Features(np.stack(rows), np.array(list(lungs)), drawn, anatomy, local)


def pooled(network: FindingsNetwork, images: np.ndarray) -> np.ndarray:
    """Give the pooled features, float32 (N, 128), of films in [0, 1], float32 (N, 256, 256)."""
    return np.asarray(_maps(network, images).mean((2, 3)))


def _maps(network: FindingsNetwork, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        features = network.features(normalise(torch.from_numpy(images).unsqueeze(1)))
    return np.asarray(features.numpy())


def _within(network: FindingsNetwork, films: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take the features of all films apart by place; no label is looked at."""
    plain = np.concatenate([_maps(network, film[None].astype(np.float32) / 255) for film in films])
    residual = plain - plain.mean((2, 3), keepdims=True)
    anatomy = residual.mean(0)
    points = (residual - anatomy).transpose(0, 2, 3, 1).reshape(-1, plain.shape[1])
    return anatomy, points.T.astype(np.float64) @ points / len(points)


def _versions(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    plain = film.astype(np.float32) / 255
    others = [changed(film, generator)[0] for _ in range(CHANGES)]
    return np.stack([plain, plain[:, ::-1], *others])


def _drawn(name: str, film: np.ndarray, lungs: Lungs, generator: np.random.Generator) -> np.ndarray:
    seeds = generator.integers(2**31, size=DRAWINGS)
    images = [draw(name, film, lungs, int(seed)).pixels for seed in seeds]
    return np.asarray(np.stack(images) / np.float32(255))
