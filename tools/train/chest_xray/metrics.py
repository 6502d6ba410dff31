"""Figures: area under the ROC curve, operating points, the gate's counts."""

import numpy as np


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Give the area under the ROC curve: how often a positive scores above a negative.

    Parameters
    ----------
    scores
        float (N,).
    positive
        bool (N,).

    Returns
    -------
    In [0, 1], ties counting half; NaN without positives or without negatives.
    """
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))


def threshold_at_specificity(probabilities: np.ndarray, positive: np.ndarray, specificity: float) -> float:
    """Give the probability that this share of the negatives stays below, within [0.005, 0.995]."""
    return float(np.clip(np.quantile(probabilities[~positive], specificity), 0.005, 0.995))


def sensitivity(probabilities: np.ndarray, positive: np.ndarray, threshold: float) -> float:
    """Give the share of the positives at or above a threshold."""
    return float((probabilities[positive] >= threshold).mean())
