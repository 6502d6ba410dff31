"""Count what the exported gate passes and refuses of images that nothing learnt from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

from gateway.imaging.radiograph import square_input
from tools.phantoms.radiographs import other_image
from tools.train.chest_xray.films import Thumbnails
from tools.train.chest_xray.layout import GATE_SIZE, SIZE

DRAWINGS = 500
SAME_FILM = 0.99
"""Correlation at 64 pixels from which a film and a thumbnail are taken for the same film."""

CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "films": lambda film: film,
    "films, mirrored": lambda film: film[:, ::-1],
    "films, between black bars": lambda film: film[:, SIZE // 8 : -SIZE // 8],
    "films, inverted": lambda film: 255 - film,
    "films, turned by 90°": np.rot90,
    "films, turned by 180°": lambda film: film[::-1, ::-1],
    "films, upside down": lambda film: film[::-1],
}


def gate_figures(
    model: Path, films: np.ndarray, thumbnails: tuple[Thumbnails, ...], learnt_thumbnails: np.ndarray
) -> dict[str, Any]:
    """Run the exported graph over held-out images.

    Parameters
    ----------
    model
        The ONNX file.
    films
        uint8 (N, 256, 256), chest films kept from the gate.
    thumbnails
        Held-out thumbnails of each class.
    learnt_thumbnails
        uint8 (M, 64, 64), the chest thumbnails that the gate learnt from: some are of the same films.

    Returns
    -------
    Number of images, number passed and quartiles of the logit, by kind of image.
    """
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(2026)
    new = films[_similarity(films, learnt_thumbnails) < SAME_FILM]
    sets = {t.name: list(t.pixels) for t in thumbnails}
    sets |= {name: [change(film).copy() for film in films] for name, change in CHANGES.items()}
    sets["films whose thumbnail was not learnt"] = list(new)
    sets["drawings of other body parts"] = [other_image(generator) for _ in range(DRAWINGS)]
    return {name: _counts(session, images) for name, images in sets.items() if images}


def _similarity(films: np.ndarray, thumbnails: np.ndarray) -> np.ndarray:
    """Give each film's highest correlation with any thumbnail, float32 (N,)."""
    size = (GATE_SIZE, GATE_SIZE)
    small = np.stack([cv2.resize(film, size, interpolation=cv2.INTER_AREA) for film in films])
    return np.asarray((_standardised(small) @ _standardised(thumbnails).T).max(1))


def _standardised(images: np.ndarray) -> np.ndarray:
    flat = images.reshape(len(images), -1).astype(np.float32)
    centred = flat - flat.mean(1, keepdims=True)
    return np.asarray(centred / (np.linalg.norm(centred, axis=1, keepdims=True) + 1e-6))


def _counts(session: onnxruntime.InferenceSession, images: list[np.ndarray]) -> dict[str, Any]:
    logits = np.concatenate(
        [session.run(["chest_logit"], {"image": square_input(image, SIZE)[None]})[0][0] for image in images]
    )
    return {
        "count": len(images),
        "passed": int((logits > 0).sum()),
        "logit_quartiles": np.round(np.quantile(logits, [0.25, 0.5, 0.75]), 1).tolist(),
    }
