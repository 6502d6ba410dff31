"""The price list, as published."""

import pytest

from gateway.accounts.pricing import RateMissing, rate_cents, tier_of

NO_CUSTOM = {"single": None, "session": None}


@pytest.mark.parametrize(
    ("tier", "single", "session"),
    [("paygo", 300, 400), ("starter", 250, 350), ("professional", 200, 300)],
)
def test_published_rates(tier, single, session):
    assert rate_cents(tier, "single", NO_CUSTOM) == single
    assert rate_cents(tier, "session", NO_CUSTOM) == session


def test_published_rates_hold_whatever_an_account_has_of_its_own():
    assert rate_cents("paygo", "single", {"single": 1, "session": 1}) == 300


def test_an_enterprise_pays_its_own_rates():
    custom = {"single": 150, "session": 0}
    assert rate_cents("enterprise", "single", custom) == 150
    assert rate_cents("enterprise", "session", custom) == 0


@pytest.mark.parametrize("call_type", ["single", "session"])
def test_an_enterprise_without_rates_has_no_price(call_type):
    with pytest.raises(RateMissing, match=call_type):
        rate_cents("enterprise", call_type, NO_CUSTOM)


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        (0, "paygo"),
        (1, "paygo"),
        (100, "paygo"),
        (101, "starter"),
        (500, "starter"),
        (501, "professional"),
        (2000, "professional"),
        (2001, "enterprise"),
        (10**6, "enterprise"),
    ],
)
def test_the_tier_follows_the_volume(usage, tier):
    assert tier_of(usage) == tier
