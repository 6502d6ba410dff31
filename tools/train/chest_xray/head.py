"""Fit the head in closed form: ridge regression from pooled features to each finding's logit."""

import numpy as np

from gateway.imaging.chest_xray import FINDINGS
from tools.train.chest_xray.features import Features
from tools.train.chest_xray.films import LABELLED, Films

RIDGE = 0.03
"""Added to the variances, which are 1 after standardisation."""
SMOOTHNESS = 0.03
"""Price of a map's variance within a film, beside that of its mean between films: without it the local
logits swing by some twenty, cancel in the mean, and say nothing about where a finding is."""
LABEL_SHARE = 0.4
"""Pull of the NIH label, text-mined and noisy, beside the comparator's opinion."""
DRAWN_GAIN = 4.0
"""Logits between which the head puts a drawn lesion and none."""


def fit_head(features: Features, films: Films, learnt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit weights and biases of all findings.

    Parameters
    ----------
    features
        Of all films.
    films
        All films; labels and opinions of those not to be learnt from are not looked at.
    learnt
        bool (N,): the films to learn from.

    Returns
    -------
    float64 (12, 128) and (12,).
    """
    rows = features.films[learnt]
    targets = targets_of(Films(*(values[learnt] for values in films)))
    points = rows.reshape(-1, rows.shape[-1])
    versions = rows.shape[1]
    weights = np.full(len(points), 1 / len(points))
    labelled = _ridge(points, np.repeat(targets, versions, 0), weights, features.local)
    heads = [
        (labelled[0][index], labelled[1][index]) if LABELLED[index] else _drawn_head(features, name, learnt)
        for index, name in enumerate(FINDINGS)
    ]
    return np.stack([weight for weight, _ in heads]), np.array([bias for _, bias in heads])


def _drawn_head(features: Features, name: str, learnt: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit a finding that has no labels: drawn against other lesions, untouched and real films.

    Real films count as negatives although a few may show the finding: nobody has said which.
    """
    backgrounds = learnt[features.backgrounds]
    width = features.films.shape[-1]
    others = [rows[backgrounds] for other, rows in features.drawn.items() if other != name]
    groups = (
        (features.drawn[name][backgrounds], 1.0, 0.4),
        (features.films[features.backgrounds[backgrounds]], -1.0, 0.25),
        (np.stack(others), -1.0, 0.15),
        (features.films[learnt], -1.0, 0.2),
    )
    points = [rows.reshape(-1, width) for rows, _, _ in groups]
    targets = [np.full((len(p), 1), DRAWN_GAIN * g[1]) for p, g in zip(points, groups, strict=True)]
    weights = [np.full(len(p), g[2] / len(p)) for p, g in zip(points, groups, strict=True)]
    joined = [np.concatenate(each) for each in (points, targets, weights)]
    weight, bias = _ridge(joined[0], joined[1], joined[2], features.local)
    return weight[0], float(bias[0])


def _ridge(
    points: np.ndarray, targets: np.ndarray, weights: np.ndarray, local: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Solve weighted ridge regression, with a price on maps that swing within a film.

    Parameters
    ----------
    points, targets
        float (N, D) and (N, K).
    weights
        float (N,), with sum 1.
    local
        float (D, D): covariance of the features within films.

    Returns
    -------
    float64 (K, D) and (K,): targets are about `points @ weight.T + bias`.
    """
    mean = weights @ points
    deviation = np.sqrt(weights @ (points - mean) ** 2) + 1e-6
    scaled = (points - mean) / deviation
    middle = weights @ targets
    covariance = (scaled * weights[:, None]).T @ scaled + RIDGE * np.eye(points.shape[1])
    covariance += SMOOTHNESS * local / np.outer(deviation, deviation)
    slopes = np.linalg.solve(covariance, (scaled * weights[:, None]).T @ (targets - middle))
    weight = slopes.T / deviation
    return weight, middle - weight @ mean


def targets_of(films: Films) -> np.ndarray:
    """Give the logit wanted of each film: the comparator's opinion, pulled towards the label.

    Returns
    -------
    float64 (N, 12); 0 for findings without labels.
    """
    count = len(FINDINGS)
    opinion = opinion_of(films)[:, :count]
    labels = films.labels[:, :count]
    pull = (labels - labels.mean(0)) / np.maximum(labels.std(0), 1e-6)
    return np.where(LABELLED, opinion + LABEL_SHARE * opinion.std(0) * pull, 0.0)


def opinion_of(films: Films) -> np.ndarray:
    """Give the comparator's logits, shifted so that their mean probability is the labels' mean.

    Returns
    -------
    float64 (N, 16). The published network was tuned to rarer findings than these films have.
    """
    probability = np.clip(films.comparator.astype(float), 1e-6, 1 - 1e-6)
    teacher = np.log(probability / (1 - probability))
    low, high = np.full(teacher.shape[1], -20.0), np.full(teacher.shape[1], 20.0)
    for _ in range(40):
        shift = (low + high) / 2
        below = (1 / (1 + np.exp(-(teacher + shift)))).mean(0) < films.labels.mean(0)
        low, high = np.where(below, shift, low), np.where(below, high, shift)
    return np.asarray(teacher + low)
