"""Twelve chest X-ray findings: from the network's logits to calibrated findings and a result."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gateway.imaging.errors import WrongContent

FINDINGS = (
    "Tuberculosis",
    "Cardiomegaly",
    "Aortic Enlargement",
    "Pleural Thickening",
    "Pleural Effusion",
    "Pneumothorax",
    "Consolidation",
    "Atelectasis",
    "Nodule Mass",
    "Fibrosis",
    "Infiltration",
    "Calcification",
)
"""Names and order as in the public contract's prediction JSON."""

PRESENT_FROM = 0.5
"""A finding is present from this confidence on, in the public contract."""

TB_PRESUMPTIVE = "TB Presumptive"
ABNORMAL = "Abnormal"
NORMAL = "Normal"


class OperatingPoint(NamedTuple):
    """Where one finding of one model version turns from absent to present."""

    threshold: float
    """Probability (sigmoid of the logit) that becomes confidence 0.5."""
    assessed: bool
    """Whether the model has a head for this finding."""


class Finding(NamedTuple):
    """One line of the result."""

    name: str
    presence: bool
    confidence: float
    """Calibrated: 0.5 is the operating point. 0.0 where not assessed."""
    assessed: bool = True
    """False where the model has no head for this finding; it is then never present."""


class OperatingPoints(NamedTuple):
    """The operating points of one model version, in the order of FINDINGS."""

    model_version: str
    points: tuple[OperatingPoint, ...]

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "OperatingPoints":
        """Read `operating_points.json`, which lies beside the weights it belongs to.

        Raises
        ------
        KeyError, TypeError
            A finding or a value of it is missing.
        """
        findings = document["findings"]
        points = (OperatingPoint(**findings[name]) for name in FINDINGS)
        return cls(document["model_version"], tuple(points))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Turn logits into probabilities; same shape, float32."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(logits, np.float32))), np.float32)


def calibrate(probability: np.ndarray, threshold: np.ndarray | float) -> np.ndarray:
    """Map probabilities so that the operating point comes to lie at 0.5.

    Parameters
    ----------
    probability
        In [0, 1], any shape.
    threshold
        Operating point in (0, 1), broadcast against `probability`.

    Returns
    -------
    float32 in [0, 1], monotonic in `probability`.

    References
    ----------
    torchxrayvision, `op_norm`: p/(2t) below the threshold t, 1 - (1 - p)/(2(1 - t)) above.
    """
    probability = np.asarray(probability, np.float32)
    below = probability / (2 * threshold)
    above = 1 - (1 - probability) / (2 * (1 - threshold))
    return np.asarray(np.where(probability < threshold, below, above), np.float32)


def findings_of(logits: np.ndarray, points: Sequence[OperatingPoint]) -> tuple[Finding, ...]:
    """Turn the network's logits, shape (12,), into findings in the order of FINDINGS.

    Presence follows from the rounded confidence, so that no answer ever shows 0.5 beside "absent".
    """
    thresholds = np.array([point.threshold for point in points], np.float32)
    confidences = calibrate(sigmoid(logits), thresholds)
    return tuple(
        _finding(name, round(float(confidence), 4), point.assessed)
        for name, confidence, point in zip(FINDINGS, confidences, points, strict=True)
    )


def _finding(name: str, confidence: float, assessed: bool) -> Finding:
    if not assessed:
        return Finding(name, presence=False, confidence=0.0, assessed=False)
    return Finding(name, presence=confidence >= PRESENT_FROM, confidence=confidence)


def result_of(findings: Sequence[Finding]) -> str:
    """Sum the findings up in the contract's overall result."""
    present = [finding.name for finding in findings if finding.presence]
    if "Tuberculosis" in present:
        return TB_PRESUMPTIVE
    return ABNORMAL if present else NORMAL


def require_chest_film(chest_logit: float) -> None:
    """Refuse what the network does not take for a frontal chest film.

    Raises
    ------
    WrongContent
        The logit is not above 0.
    """
    if not chest_logit > 0:
        raise WrongContent("the image does not look like a frontal chest radiograph")
