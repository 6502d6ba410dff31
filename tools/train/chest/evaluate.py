"""Judge a findings network on the films of a fold that it has not seen, real and drawn on."""

import logging
from typing import Any, NamedTuple

import numpy as np
import torch

from gateway.imaging.chest_xray import FINDINGS
from tools.phantoms.chest_lesions import LESIONS, draw
from tools.train.chest.composites import backgrounds
from tools.train.chest.films import LABELLED, Films
from tools.train.chest.metrics import auc, sensitivity, threshold_at_specificity
from tools.train.chest.networks import FindingsNetwork

logger = logging.getLogger(__name__)

DRAWINGS = 2
"""Lesions of each kind drawn on each normal film of a test fold."""
SPECIFICITY = 0.90
SPECIFICITY_DRAWN = 0.95
"""Stricter where nothing but drawings taught the finding."""


class Judged(NamedTuple):
    """What one fold's network said of the films it had not seen."""

    labels: np.ndarray
    """bool (N, 12)."""
    probabilities: np.ndarray
    """float32 (N, 12)."""
    comparator: np.ndarray
    """float32 (N, 12)."""
    untouched: np.ndarray
    """float32 (M, 12): of the normal films whose lungs were found."""
    drawn: dict[str, np.ndarray]
    """float32 (2·M,) by finding: probability of that finding where it was drawn."""


def probabilities_of(network: FindingsNetwork, films: np.ndarray) -> np.ndarray:
    """Give probabilities, float32 (N, 12), of films, uint8 (N, 256, 256)."""
    batches = np.array_split(films, max(len(films) // 32, 1))
    with torch.no_grad():
        logits = [
            network(torch.from_numpy(batch).float().unsqueeze(1) / 255).mean((2, 3)) for batch in batches
        ]
    return np.asarray(torch.cat(logits)[:, : len(FINDINGS)].sigmoid().numpy())


def judge(network: FindingsNetwork, films: Films, seed: int) -> Judged:
    """Run a network over test films as they are, and over the normal ones with lesions drawn on."""
    generator = np.random.default_rng(seed)
    bank = backgrounds(films.pixels[films.normal])
    drawn = {}
    for name in LESIONS:
        seeds = generator.integers(2**31, size=(len(bank), DRAWINGS))
        images = np.stack(
            [
                draw(name, film.pixels, film.lungs, int(s)).pixels
                for film, row in zip(bank, seeds, strict=True)
                for s in row
            ]
        )
        drawn[name] = probabilities_of(network, images)[:, FINDINGS.index(name)]
    judged = Judged(
        films.labels[:, : len(FINDINGS)],
        probabilities_of(network, films.pixels),
        films.comparator[:, : len(FINDINGS)],
        probabilities_of(network, np.stack([film.pixels for film in bank])),
        drawn,
    )
    areas = [auc(judged.probabilities[:, i], judged.labels[:, i]) for i in np.flatnonzero(LABELLED)]
    logger.info("AUC by finding %s, mean %.3f", np.round(areas, 2).tolist(), np.nanmean(areas))
    return judged


def operating_points(judged: list[Judged]) -> dict[str, Any]:
    """Choose thresholds on the pooled predictions of all folds: 90 % or 95 % specificity on real films."""
    probabilities = np.concatenate([fold.probabilities for fold in judged])
    labels = np.concatenate([fold.labels for fold in judged])
    points = {}
    for index, name in enumerate(FINDINGS):
        wanted = SPECIFICITY if LABELLED[index] else SPECIFICITY_DRAWN
        threshold = threshold_at_specificity(probabilities[:, index], labels[:, index], wanted)
        points[name] = {"threshold": round(threshold, 4), "assessed": True}
    return points


def figures_of(judged: list[Judged], points: dict[str, Any]) -> dict[str, Any]:
    """Gather what the model card prints."""
    return {"findings": {name: _figures(judged, name, points[name]["threshold"]) for name in FINDINGS}}


def _figures(judged: list[Judged], name: str, threshold: float) -> dict[str, Any]:
    """Give one finding's figures; areas are means over the folds, NaN left out, and of all pooled."""
    index = FINDINGS.index(name)
    figures: dict[str, Any] = {}
    if LABELLED[index]:
        labels = np.concatenate([fold.labels[:, index] for fold in judged])
        pooled = np.concatenate([fold.probabilities[:, index] for fold in judged])
        published = np.concatenate([fold.comparator[:, index] for fold in judged])
        areas = [auc(fold.probabilities[:, index], fold.labels[:, index]) for fold in judged]
        figures |= {
            "positives": int(labels.sum()),
            "auc_mean_of_folds": round(float(np.mean(areas)), 3),
            "auc_pooled": round(auc(pooled, labels), 3),
            "auc_comparator": round(auc(published, labels), 3),
            "sensitivity_at_threshold": round(sensitivity(pooled, labels, threshold), 3),
        }
    if name in LESIONS:
        figures |= _drawn_figures(judged, name, threshold)
    return figures


def _drawn_figures(judged: list[Judged], name: str, threshold: float) -> dict[str, Any]:
    """Give how well drawn lesions are told from the same films without them."""
    index = FINDINGS.index(name)
    drawn = np.concatenate([fold.drawn[name] for fold in judged])
    clean = np.concatenate([fold.untouched[:, index] for fold in judged])
    is_drawn = np.arange(len(drawn) + len(clean)) < len(drawn)
    return {
        "drawn": len(drawn),
        "auc_drawn": round(auc(np.concatenate([drawn, clean]), is_drawn), 3),
        "sensitivity_drawn": round(float((drawn >= threshold).mean()), 3),
    }
