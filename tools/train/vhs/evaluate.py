"""Figures of the exported graph, measured as the server measures, on films that nothing was learnt from."""

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from gateway.imaging.vhs.assessment import VALID_FROM, View, assess
from gateway.imaging.vhs.folds import Folds, consensus, validity_probability
from gateway.imaging.vhs.landmarks import LANDMARKS
from gateway.imaging.vhs.measurement import measure
from gateway.imaging.vhs.network_input import network_input
from gateway.imaging.vhs.result import TIERS, Assessment
from gateway.triton.networks import Network
from tools.train.vhs.pool import Pool

Generator = np.random.Generator


class Film(NamedTuple):
    """A picture and its true landmarks."""

    picture: np.ndarray
    """uint8 (rows, columns)."""
    landmarks: np.ndarray
    """float64 (7, 2), pixels."""


class Reading(NamedTuple):
    """What the graph made of one film."""

    assessment: Assessment
    errors: np.ndarray
    """float64 (7,): distances from the true landmarks, of the picture's longer side."""
    vhs_error: float | None
    """Absolute, in vertebrae; None where it was not measured."""
    vlas_error: float | None


class Graph:
    """The exported graph, run as the server runs it."""

    def __init__(self, path: Path) -> None:
        self._network = Network(path)

    def folds(self, picture: np.ndarray) -> Folds:
        """Run one picture, uint8 (rows, columns)."""
        outputs = self._network.run({"letterbox": network_input(picture)[np.newaxis]})
        return Folds(*(outputs[name][0] for name in ("fold_landmarks", "fold_peaks", "fold_validity")))

    def read(self, film: Film) -> Reading:
        """Assess a film and compare."""
        height, width = film.picture.shape
        folds = self.folds(film.picture)
        points = consensus(folds.points(width, height))
        truth, answer = measure(film.landmarks), assess(folds, View(width, height))
        errors = np.linalg.norm(points - film.landmarks, axis=1) / max(width, height)
        return Reading(answer, errors, _off(answer.vhs, truth.vhs), _off(answer.vlas, truth.vlas))


def _off(value: float | None, truth: float) -> float | None:
    return None if value is None else abs(value - truth)


def films_of(pool: Pool) -> list[Film]:
    """Give the films of a pool."""
    return [
        Film(pool.picture(index), points.astype(np.float64)) for index, points in enumerate(pool.landmarks)
    ]


def cropped(film: Film, generator: Generator) -> Film:
    """Cut closely about the landmarks: the first ribs, by which T4 is counted, are mostly gone."""
    room = np.ptp(film.landmarks, axis=0).max()
    low = np.maximum(film.landmarks.min(0) - room * generator.uniform(0.03, 0.12, 2), 0).astype(int)
    high = (film.landmarks.max(0) + room * generator.uniform(0.03, 0.12, 2)).astype(int)
    return Film(film.picture[low[1] : high[1], low[0] : high[0]].copy(), film.landmarks - low)


def turned(film: Film, generator: Generator) -> Film:
    """Turn by 15 to 40 degrees, nothing cut off."""
    rows, columns = film.picture.shape
    degrees = generator.choice([-1, 1]) * generator.uniform(15, 40)
    matrix = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), degrees, 1)
    width, height = (int(length) for length in np.abs(matrix[:, :2]) @ (columns, rows))
    whole = matrix + np.array([[0, 0, (width - columns) / 2], [0, 0, (height - rows) / 2]])
    points = (film.landmarks - 0.5) @ whole[:, :2].T + whole[:, 2] + 0.5
    return Film(np.asarray(cv2.warpAffine(film.picture, whole, (width, height))), points)


def faint(film: Film, generator: Generator) -> Film:
    """Leave a fifth of the contrast, under noise."""
    noise = generator.normal(0, 5, film.picture.shape)
    return Film((90 + 0.2 * film.picture + noise).clip(0, 255).astype(np.uint8), film.landmarks)


def blurred(film: Film, _generator: Generator) -> Film:
    """Blur by three pixels of 640."""
    return Film(np.asarray(cv2.GaussianBlur(film.picture, (0, 0), 3)), film.landmarks)


SPOILT = {"cropped closely": cropped, "turned 15 to 40 degrees": turned, "faint": faint, "blurred": blurred}


def figures_of(readings: list[Reading]) -> dict[str, Any]:
    """Sum up readings: errors of all films, VHS and VLAS of those measured, and errors by confidence."""
    errors = np.stack([reading.errors for reading in readings])
    each = errors.mean(1)
    vhs = np.array([reading.vhs_error for reading in readings if reading.vhs_error is not None])
    vlas = np.array([reading.vlas_error for reading in readings if reading.vlas_error is not None])
    return {
        "films": len(readings),
        "measured": len(vhs),
        "rejected": sum(reading.assessment.rejected for reading in readings),
        "radial_error_percent": _rounded(100 * each.mean(), 3),
        "radial_error_percent_median": _rounded(100 * np.median(each), 3),
        "radial_error_percent_worst": _rounded(100 * each.max(), 2),
        "by_landmark": dict(zip(LANDMARKS, (100 * errors.mean(0)).round(3).tolist(), strict=True)),
        "vhs_mae": _rounded(_mean(vhs), 3),
        "vhs_within_half": _rounded(_mean(vhs <= 0.5), 3),
        "vhs_worst": _rounded(vhs.max(initial=0), 2),
        "vlas_mae": _rounded(_mean(vlas), 3),
        "vlas_measured": len(vlas),
    }


def tiers_of(readings: list[Reading]) -> dict[str, Any]:
    """Give count and errors of each confidence: what the folds' spread is worth."""
    table = {}
    for tier in TIERS:
        own = [r for r in readings if r.vhs_error is not None and r.assessment.model_confidence == tier]
        table[tier] = {
            "films": len(own),
            "radial_error_percent": _rounded(100 * _mean([r.errors.mean() for r in own]), 3),
            "vhs_mae": _rounded(_mean([r.vhs_error for r in own]), 3),
        }
    return table


def passed(graph: Graph, pool: Pool) -> dict[str, int]:
    """Count the pictures of a pool that the folds together take for a lateral canine thorax."""
    answers = [refused(graph.folds(pool.picture(index))) for index in range(len(pool.sizes))]
    return {"pictures": len(answers), "passed": len(answers) - sum(answers)}


def refused(folds: Folds) -> bool:
    """Tell whether the folds together take a picture for something else."""
    probability = validity_probability(folds.validity)
    return probability is None or probability < VALID_FROM


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _rounded(value: float, digits: int) -> float | None:
    """Round; what is not a number, for want of films, becomes None."""
    return round(float(value), digits) if np.isfinite(value) else None
