"""What is answered about one picture: the measurement, its confidence, the public contract's result code."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

ABNORMAL = 0
HIGH_CONFIDENCE, MODERATE_CONFIDENCE, LOW_CONFIDENCE = 1, 2, 3
NO_VLAS = 4
NOT_MEASURABLE = 5
REJECTED = 6
PERSPECTIVE_FAILED = 7

DESCRIPTIONS = {
    ABNORMAL: "Abnormal result — unexpected prediction state",
    HIGH_CONFIDENCE: "VHS and VLAS predicted successfully with high confidence",
    MODERATE_CONFIDENCE: "VHS and VLAS predicted successfully with moderate confidence",
    LOW_CONFIDENCE: "VHS and VLAS predicted but confidence is low — review recommended",
    NO_VLAS: "VHS predicted successfully, VLAS could not be calculated",
    NOT_MEASURABLE: "Neither VHS nor VLAS could be calculated — check image quality",
    REJECTED: "Image rejected — not a valid radiograph.",  # the full stop is the contract's own
    PERSPECTIVE_FAILED: "PoP image detected but perspective correction failed",
}
"""Literal parts of the public contract."""

OPTIMAL, GOOD, REVIEW = "optimal", "good", "review"
TIERS = (OPTIMAL, GOOD, REVIEW)
"""Confidence, best first."""
TIER_CODES = {OPTIMAL: HIGH_CONFIDENCE, GOOD: MODERATE_CONFIDENCE, REVIEW: LOW_CONFIDENCE}

NOT_A_RADIOGRAPH = "not_a_valid_radiograph"
"""The one reason for a rejection; other views and other body parts get it, too."""


class Landmark(NamedTuple):
    """A point as fractions of the picture's width and height."""

    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Assessment:
    """The answer about one picture; numbers are not rounded."""

    result_code: int
    image_width: int
    """Columns of the picture that was measured: upright, and rectified where it was a photo of a screen."""
    image_height: int
    vhs: float | None = None
    """In vertebrae, like `vlas`."""
    vlas: float | None = None
    prediction: tuple[Landmark, ...] = ()
    """The landmarks found, in the order of LANDMARKS."""
    model_confidence: str = REVIEW
    """One of TIERS."""
    spread: float | None = None
    """Standard deviation of the folds' landmarks, as a fraction of the picture's longer side."""
    axes_perpendicular: bool = False
    pop_detected: bool = False
    """A photo of a screen (picture of a picture)."""
    classifier_confidence: float | None = None
    """Probability of the decision whether this is a lateral canine thorax, 0.5 to 1; None without one."""
    vhs_sd: float | None = None
    """Standard deviation of the folds' own VHS; for logs, like `fault`."""
    fault: str | None = None
    """Why there is no VHS, or no VLAS beside it."""

    @property
    def result_description(self) -> str:
        """The contract's sentence for the result code."""
        return DESCRIPTIONS[self.result_code]

    @property
    def landmarks_detected(self) -> bool:
        """Whether there is a VHS."""
        return self.vhs is not None

    @property
    def rejected(self) -> bool:
        """Whether this is no lateral radiograph of a dog's thorax."""
        return self.result_code == REJECTED

    @property
    def rejection_reason(self) -> str | None:
        """The contract's word for why it was rejected."""
        return NOT_A_RADIOGRAPH if self.rejected else None

    def to_json(self) -> dict[str, Any]:
        """Give the document that the pipeline answers with."""
        return {
            **asdict(self),
            "prediction": [{"x": x, "y": y, "class": name} for name, x, y in self.prediction],
            "result_description": self.result_description,
            "landmarks_detected": self.landmarks_detected,
            "rejected": self.rejected,
            "rejection_reason": self.rejection_reason,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Assessment":
        """Read what `to_json` gave.

        Raises
        ------
        KeyError
            A field is missing.
        """
        points = (Landmark(each["class"], each["x"], each["y"]) for each in document["prediction"])
        fields = {name: document[name] for name in cls.__dataclass_fields__}
        return cls(**{**fields, "prediction": tuple(points)})
