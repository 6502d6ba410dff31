"""What makes a result the same when a job is done again: its job, its time, identifiers made of them."""

import json
import uuid
from datetime import datetime
from typing import NamedTuple

from pydicom.uid import UID

NAMESPACE = uuid.UUID("5c0f4c5e-6d0b-5f0e-9a53-3a1d2b6f7c10")
"""Of every identifier made here; another namespace would be another product."""


class Stamp(NamedTuple):
    """The occasion on which results are made; equal stamps and inputs give equal bytes."""

    job_id: str
    at: datetime
    """Aware. When the model answered: written as content date and time, in its own time zone unless the
    source states an offset from UTC."""
    number: int = 1
    """Which of the job's results this is, from 1: the instance number inside each of the job's series."""


def uid(job_id: str, *parts: str) -> UID:
    """Derive a DICOM UID from a job and what tells the object apart inside it; always the same one.

    References
    ----------
    DICOM PS3.5 B.2: 2.25. and a UUID as a decimal number.
    """
    return UID(f"2.25.{_uuid(job_id, *parts).int}")


def fhir_id(job_id: str, *parts: str) -> str:
    """Derive a FHIR resource id in the same way; a UUID is a valid one."""
    return str(_uuid(job_id, "fhir", *parts))


def _uuid(*parts: str) -> uuid.UUID:
    # As JSON, so that ("a", "bc") and ("ab", "c") differ.
    return uuid.uuid5(NAMESPACE, json.dumps(parts))
