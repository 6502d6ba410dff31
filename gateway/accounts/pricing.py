"""What a call costs: integer cents, by tier and kind of call."""

from collections.abc import Mapping
from typing import Literal

Tier = Literal["paygo", "starter", "professional", "enterprise"]
CallType = Literal["single", "session"]

TIERS: tuple[Tier, ...] = ("paygo", "starter", "professional", "enterprise")

RATE_CENTS: Mapping[Tier, Mapping[CallType, int]] = {
    "paygo": {"single": 300, "session": 400},
    "starter": {"single": 250, "session": 350},
    "professional": {"single": 200, "session": 300},
}
"""The published prices; an enterprise has its own."""

_FIRST_CALL_OF: tuple[tuple[int, Tier], ...] = (
    (2001, "enterprise"),
    (501, "professional"),
    (101, "starter"),
)


class RateMissing(ValueError):
    """An enterprise whose own rates are not set."""


def tier_of(usage: int) -> Tier:
    """Give the tier of the month's `usage`-th charged call: the 100th is paygo, the 101st starter."""
    return next((tier for first, tier in _FIRST_CALL_OF if usage >= first), "paygo")


def rate_cents(tier: Tier, call_type: CallType, custom: Mapping[CallType, int | None]) -> int:
    """Give the price of one call; `custom` rates are an enterprise's.

    Raises
    ------
    RateMissing
        The tier has no published price and the account none of its own.
    """
    if (rates := RATE_CENTS.get(tier)) is not None:
        return rates[call_type]
    if (own := custom.get(call_type)) is None:
        raise RateMissing(f"no {call_type} rate is set for a call in tier {tier}")
    return own
