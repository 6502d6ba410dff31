"""Twelve chest X-ray findings: from the network's logits to calibrated findings and a result."""

from typing import NamedTuple

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


class Finding(NamedTuple):
    """One line of the result."""

    name: str
    presence: bool
    confidence: float
    """Calibrated: 0.5 is the operating point. 0.0 where not assessed."""
    assessed: bool = True
    """False where the model has no head for this finding; it is then never present."""
