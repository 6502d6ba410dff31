"""Answers of the VHS API: names, order and rounding of the contract, from unrounded assessments."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pybase64

from gateway.accounts.billing import Billing, Measurement, Usage
from gateway.imaging.vhs.batch import BatchResult
from gateway.imaging.vhs.result import REVIEW, Assessment

VHS_DECIMALS = 2
POINT_DECIMALS = 4

Document = dict[str, Any]
_PICTURE = "rendered_image"


def single(
    assessment: Assessment,
    *,
    model_version: str,
    history: Sequence[Measurement] | None,
    billing: Billing,
    render: bool,
) -> Document:
    """Answer to one picture; where `render` asks, `rendered_image` has to be filled in by `encoded`."""
    if assessment.rejected:
        return {**_rejection(assessment, model_version), "billing": billing_of(billing)}
    return {
        **measurement(assessment),
        "pop_detected": assessment.pop_detected,
        "model_version": model_version,
        **({_PICTURE: None} if render else {}),
        **_historic(history),
        "billing": billing_of(billing),
    }


def measurement(assessment: Assessment) -> Document:
    """Say what was measured in one picture, where, and how well."""
    return {
        "vhs": in_vertebrae(assessment.vhs),
        "vlas": in_vertebrae(assessment.vlas),
        "prediction": [
            {"x": round(x, POINT_DECIMALS), "y": round(y, POINT_DECIMALS), "class": name}
            for name, x, y in assessment.prediction
        ],
        "result_code": assessment.result_code,
        "result_description": assessment.result_description,
        "model_confidence": assessment.model_confidence,
        "spread": _spread(assessment),
    }


def _rejection(assessment: Assessment, model_version: str) -> Document:
    return {
        "classifier_confidence": _confidence(assessment),
        "model_version": model_version,
        "rejected": True,
        "rejection_reason": assessment.rejection_reason,
        "result_code": assessment.result_code,
        "result_description": assessment.result_description,
        "vhs": None,
        "vlas": None,
    }


def batch(
    result: BatchResult,
    photos: Sequence[Document],
    *,
    model_version: str,
    history: Sequence[Measurement] | None,
    billing: Billing,
    render: bool,
) -> Document:
    """Answer to a batch, whose `photos` are from `photo` and `unreadable_photo`."""
    return {
        "vhs": in_vertebrae(result.best_vhs),
        "vlas": in_vertebrae(result.best_vlas),
        "best_photo_index": result.best_photo_index,
        **_scores(result),
        "n_photos_processed": result.n_photos_processed,
        "n_photos_with_landmarks": result.n_photos_with_landmarks,
        "processing_started": True,
        "per_photo": list(photos),
        **_historic(history),
        "model_version": model_version,
        **({_PICTURE: None} if render else {}),
        "billing": billing_of(billing),
    }


def summary(result: BatchResult, billing: Billing) -> Document:
    """Give the last event of a stream."""
    return {
        **_scores(result),
        "best_photo_index": result.best_photo_index,
        "n_photos_processed": result.n_photos_processed,
        "n_photos_with_landmarks": result.n_photos_with_landmarks,
        "billing": billing_of(billing),
    }


def _scores(result: BatchResult) -> Document:
    return {
        "best_vhs": in_vertebrae(result.best_vhs),
        "best_vlas": in_vertebrae(result.best_vlas),
        "median_vhs": in_vertebrae(result.median_vhs),
        "median_vlas": in_vertebrae(result.median_vlas),
        "vhs_std": in_vertebrae(result.vhs_std),
        "vlas_std": in_vertebrae(result.vlas_std),
        "vhs_confidence": result.vhs_confidence,
        "vlas_confidence": result.vlas_confidence,
    }


def photo(assessment: Assessment) -> Document:
    """Give a batch's line about one picture."""
    return {**_photo(assessment), **_photo_extras(assessment)}


def unreadable_photo(error: str) -> Document:
    """Give a batch's line about what is no picture that could be read."""
    nothing = {"vhs": None, "vlas": None, "spread": None, "model_confidence": REVIEW}
    return {**nothing, "landmarks_detected": False, "axes_perpendicular": False, "error": error}


def photo_event(assessment: Assessment, index: int, n_total: int, model_version: str) -> Document:
    """Give a stream's event about one picture."""
    return {
        "index": index,
        **_photo(assessment),
        "n_total": n_total,
        "model_version": model_version,
        **_photo_extras(assessment),
    }


def _photo(assessment: Assessment) -> Document:
    return {**one_of_several(assessment), "axes_perpendicular": assessment.axes_perpendicular}


def one_of_several(assessment: Assessment) -> Document:
    """Say what was measured in one picture of several, in short."""
    return {
        "vhs": in_vertebrae(assessment.vhs),
        "vlas": in_vertebrae(assessment.vlas),
        "spread": _spread(assessment),
        "model_confidence": assessment.model_confidence,
        "landmarks_detected": assessment.landmarks_detected,
    }


def _photo_extras(assessment: Assessment) -> Document:
    if assessment.rejected:
        return {
            "rejected": True,
            "rejection_reason": assessment.rejection_reason,
            "classifier_confidence": _confidence(assessment),
        }
    return {"pop_detected": assessment.pop_detected} if assessment.landmarks_detected else {}


def billing_of(billing: Billing) -> Document:
    """Say what a call cost; its kind and rate only where it did."""
    if not billing.billable or billing.rate_cents is None:
        return {
            "billable": False,
            "reason": billing.reason,
            "monthly_usage": billing.monthly_usage,
            "tier": billing.tier,
        }
    return {
        "billable": True,
        "reason": billing.reason,
        "call_type": billing.call_type,
        "monthly_usage": billing.monthly_usage,
        "tier": billing.tier,
        "rate": in_dollars(billing.rate_cents),
    }


def usage(used: Usage) -> Document:
    """Say what an account used in a period."""
    return {
        "period": used.period,
        "monthly_usage": used.monthly_usage,
        "tier": used.tier,
        "amount": in_dollars(used.cents),
        "lines": [
            {
                "call_type": line.call_type,
                "reason": line.reason,
                "events": line.events,
                "amount": in_dollars(line.cents),
            }
            for line in used.lines
        ],
    }


def encoded(document: Document, png: bytes = b"") -> bytes:
    """Give a document as JSON, with a picture in place of its empty `rendered_image`.

    The picture, which may be megabytes of base64, passes by the JSON encoder.
    """
    text = json.dumps(document).encode()
    if not png or _PICTURE not in document:
        return text
    empty = b'"%b": null' % _PICTURE.encode()
    before, _, after = text.partition(empty)
    return b"".join((before, empty.removesuffix(b"null"), b'"', pybase64.b64encode(png), b'"', after))


def _historic(history: Sequence[Measurement] | None) -> Mapping[str, Any]:
    if history is None:
        return {"historic_vhs": None, "historic_vlas": None}
    return {
        "historic_vhs": [[each.date, in_vertebrae(each.vhs)] for each in history],
        "historic_vlas": [[each.date, in_vertebrae(each.vlas)] for each in history if each.vlas is not None],
    }


def in_vertebrae(value: float | None) -> float | None:
    """Round a measurement as the contract shows it."""
    return None if value is None else round(value, VHS_DECIMALS)


def in_dollars(cents: int) -> float:
    """Give an amount as the contract's number."""
    return cents / 100


def _spread(assessment: Assessment) -> float | None:
    return None if assessment.spread is None else round(assessment.spread, POINT_DECIMALS)


def _confidence(assessment: Assessment) -> float | None:
    confidence = assessment.classifier_confidence
    return None if confidence is None else round(confidence, POINT_DECIMALS)
