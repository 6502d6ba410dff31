"""Cross-validate the head: figures and operating points from films that it has not seen."""

import logging
from typing import Any, NamedTuple

import numpy as np

from gateway.imaging.chest_xray import FINDINGS, sigmoid
from tools.phantoms.chest_lesions import LESIONS
from tools.train.chest_xray.features import Features
from tools.train.chest_xray.films import LABELLED, Films
from tools.train.chest_xray.head import fit_head
from tools.train.chest_xray.metrics import auc, sensitivity, threshold_at_specificity

logger = logging.getLogger(__name__)

SPECIFICITY = 0.90
SPECIFICITY_DRAWN = 0.95
"""Stricter where nothing but drawings taught the finding."""

ASSESSED_FROM = 0.55
"""Area under the curve below which a head's answer is noise, which is not to be shown as a finding."""


class Judged(NamedTuple):
    """What one fold's head said of the films it had not seen."""

    labels: np.ndarray
    """bool (N, 12)."""
    probabilities: np.ndarray
    """float32 (N, 12)."""
    comparator: np.ndarray
    """float32 (N, 12)."""
    untouched: np.ndarray
    """float32 (M, 12): of the films that were drawn on."""
    drawn: dict[str, np.ndarray]
    """float32 (6·M,) by finding: probability of that finding where it was drawn."""


def cross_validate(features: Features, films: Films, fold: np.ndarray) -> list[Judged]:
    """Fit the head without each fold in turn and judge that fold.

    Parameters
    ----------
    features, films
        Of all films.
    fold
        int (N,), the fold of each film.
    """
    judged = [_judge(features, films, fold == index) for index in range(int(fold.max()) + 1)]
    for index in np.flatnonzero(LABELLED):
        areas = [auc(part.probabilities[:, index], part.labels[:, index]) for part in judged]
        logger.info("%s: AUC %s", FINDINGS[index], np.round(areas, 2).tolist())
    return judged


def _judge(features: Features, films: Films, kept_apart: np.ndarray) -> Judged:
    weight, bias = fit_head(features, films, ~kept_apart)
    chosen = kept_apart[features.backgrounds]
    drawn = {
        name: sigmoid(rows[chosen] @ weight.T + bias)[..., FINDINGS.index(name)].ravel()
        for name, rows in features.drawn.items()
    }
    plain = sigmoid(features.films[:, 0] @ weight.T + bias)
    count = len(FINDINGS)
    return Judged(
        films.labels[kept_apart, :count],
        plain[kept_apart],
        films.comparator[kept_apart, :count],
        plain[features.backgrounds[chosen]],
        drawn,
    )


def operating_points(judged: list[Judged]) -> dict[str, Any]:
    """Choose thresholds on the pooled predictions of all folds: 90 % or 95 % specificity on real films.

    A finding whose head is no better than chance is marked as not assessed.
    """
    probabilities = np.concatenate([fold.probabilities for fold in judged])
    labels = np.concatenate([fold.labels for fold in judged])
    points = {}
    for index, name in enumerate(FINDINGS):
        wanted = SPECIFICITY if LABELLED[index] else SPECIFICITY_DRAWN
        threshold = round(threshold_at_specificity(probabilities[:, index], labels[:, index], wanted), 4)
        figures = _figures(judged, name, threshold)
        area = figures["auc_mean_of_folds"] if LABELLED[index] else figures["auc_drawn"]
        points[name] = {"threshold": threshold, "assessed": bool(area >= ASSESSED_FROM)}
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
