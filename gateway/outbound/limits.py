"""How much a peer may send, how long it may take, and how often it is asked again."""

from dataclasses import dataclass

from gateway.errors import PeerUnavailable

DELAYS_SECONDS = (0.25, 0.5, 1.0)
"""Before the second, third and fourth attempt."""
MAX_RETRY_AFTER_SECONDS = 30.0
RETRIED = frozenset({408, 429, 500, 502, 503, 504, 507})
"""The only statuses that another attempt can change."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one request to a peer; bytes and parts are those of its answer."""

    max_bytes: int = 8 * 2**30
    max_parts: int = 10_000
    max_part_bytes: int = 512 * 2**20
    max_document_bytes: int = 16 * 2**20
    """A list of studies, a FHIR resource, an account of what was stored."""
    max_studies: int = 1000
    """That one query may find."""
    connect_seconds: float = 10.0
    idle_seconds: float = 60.0
    """Without a byte."""
    document_seconds: float = 300.0
    total_seconds: float = 3600.0


def delay_seconds(attempt: int, error: PeerUnavailable) -> float | None:
    """Give how long to wait after an attempt, counted from 0, that failed; None: it was the last."""
    if attempt >= len(DELAYS_SECONDS):
        return None
    return max(DELAYS_SECONDS[attempt], min(error.pause_seconds, MAX_RETRY_AFTER_SECONDS))
