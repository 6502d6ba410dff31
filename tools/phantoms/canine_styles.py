"""Families of acquisition: what beam, detector and processing make of the same dog."""

from dataclasses import dataclass

import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True)
class Style:
    """Ranges from which a picture's acquisition is drawn."""

    tissue: Range
    """Attenuation of soft tissue per vertebra."""
    bone: Range
    """What bone adds to it."""
    scatter: Range
    """Scattered share of the signal."""
    photons: tuple[float, float]
    """log10 of the mean count of an unattenuated element."""
    detail: Range
    """Gain of fine local contrast."""
    local: Range
    """Gain of coarse local contrast."""
    contrast: Range
    """Width of the tone curve over the width of the picture's densities; smaller is harder."""
    sharpness_px: Range
    """Sigma of the detector's blur at 640 pixels."""
    grain: Range
    """Standard deviation of film grain or read-out noise in the finished picture, of 255."""
    grain_px: Range
    """Its correlation length."""
    collimated: float
    """Share of pictures with visible collimation."""
    mask: str
    """What unexposed borders look like: "black", "bright" or "either"."""


STYLES: dict[str, Style] = {
    "digital": Style(
        (0.34, 0.5), (0.75, 1.2), (0.08, 0.25), (4.2, 5.2), (0.3, 0.9), (0.1, 0.45), (0.9, 1.5), (0.3, 0.7),
        (0.3, 1.5), (0.5, 0.8), 0.5, "black",
    ),
    "computed": Style(
        (0.3, 0.45), (0.6, 1.0), (0.2, 0.5), (3.5, 4.4), (0.0, 0.5), (0.0, 0.3), (1.0, 1.7), (0.5, 1.1),
        (1.0, 3.5), (0.5, 1.2), 0.7, "either",
    ),
    "film": Style(
        (0.36, 0.52), (0.6, 1.05), (0.2, 0.45), (3.8, 4.6), (0.0, 0.1), (0.0, 0.05), (0.8, 1.3), (0.6, 1.4),
        (2.0, 6.0), (0.6, 1.4), 0.6, "bright",
    ),
    "high_kv": Style(
        (0.24, 0.34), (0.25, 0.5), (0.3, 0.6), (4.0, 5.0), (0.1, 0.5), (0.05, 0.4), (1.0, 1.6), (0.4, 1.0),
        (0.5, 2.0), (0.5, 0.9), 0.4, "black",
    ),
    "low_kv": Style(
        (0.45, 0.62), (1.1, 1.7), (0.05, 0.2), (3.7, 4.6), (0.1, 0.8), (0.0, 0.4), (0.8, 1.5), (0.3, 0.8),
        (0.8, 3.0), (0.5, 1.0), 0.6, "black",
    ),
    "enhanced": Style(
        (0.34, 0.5), (0.7, 1.1), (0.1, 0.3), (4.0, 5.0), (1.0, 2.2), (0.5, 1.1), (0.9, 1.3), (0.3, 0.7),
        (0.5, 2.0), (0.5, 0.8), 0.5, "black",
    ),
    "portable": Style(
        (0.34, 0.48), (0.6, 1.0), (0.3, 0.65), (3.3, 4.0), (0.0, 0.4), (0.0, 0.3), (1.0, 1.5), (0.9, 1.7),
        (2.0, 5.0), (0.7, 1.8), 0.8, "either",
    ),
}  # fmt: skip

UNSEEN = Style(
    (0.38, 0.56), (0.5, 0.9), (0.15, 0.35), (3.6, 4.4), (0.4, 1.4), (0.6, 1.1), (0.9, 1.3), (0.8, 1.4),
    (2.5, 6.0), (1.5, 2.6), 1.0, "bright",
)  # fmt: skip


def drawn(bounds: Range, rng: np.random.Generator) -> float:
    """Draw a value from a range."""
    return float(rng.uniform(*bounds))
