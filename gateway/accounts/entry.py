"""How an outcome gets into the ledger, within one transaction that its caller opens."""

from datetime import datetime, timedelta
from typing import cast

from gateway.accounts.billing import Billing, Outcome, Reason
from gateway.accounts.pricing import CallType, Tier, rate_cents, tier_of
from gateway.storage import accounts, measurements, usage
from gateway.storage.accounts import AccountRow
from gateway.storage.transactions import Connection
from gateway.storage.usage import EventRow

GRACE = timedelta(hours=24)
"""How long after a charge the next calls for a patient are free."""


async def known(connection: Connection, outcome: Outcome) -> Billing | None:
    """Give what became of an event that is in the ledger already."""
    event = await usage.find(connection, outcome.event_id)
    if event is None or event.account_id != outcome.caller.account:
        return None
    if event.billable and (void := await usage.void_of(connection, event.event_id)):
        event = void._replace(reason="billing_error", rate_cents=None)
    return _billing(event)


async def enter(
    connection: Connection, outcome: Outcome, *, now: datetime, may_charge: bool = True
) -> Billing:
    """Decide what an outcome costs and write it down.

    Locks are taken in the order patient, counter, event: two transactions never wait for each other.

    Raises
    ------
    RateMissing
        It is to be charged and has no price; nothing may be committed then.
    """
    account = await accounts.get(connection, outcome.caller.account)
    patient = outcome.patient
    reason: Reason = "billing_error"
    if may_charge or not outcome.valid_vhs:
        reason = await _reason(connection, outcome, patient, now)
    event = await _event(connection, outcome, account, reason=reason, patient=patient, now=now)
    await usage.append(connection, event)
    if patient is not None and outcome.valid_vhs and outcome.vhs is not None:
        await measurements.add(
            connection,
            event_id=outcome.event_id,
            account_id=account.id,
            uuid_sha256=patient,
            at=now,
            vhs=outcome.vhs,
            vlas=outcome.vlas,
        )
    return _billing(event)


async def _reason(connection: Connection, outcome: Outcome, patient: str | None, now: datetime) -> Reason:
    if not outcome.valid_vhs:
        return "no_valid_vhs"
    if patient is None:
        return "valid_vhs"
    account, event_id = outcome.caller.account, outcome.event_id
    due = await usage.begin_grace(connection, account, patient, event_id=event_id, now=now, period=GRACE)
    return "valid_vhs" if due else "recheck_24h"


async def _event(
    connection: Connection,
    outcome: Outcome,
    account: AccountRow,
    *,
    reason: Reason,
    patient: str | None,
    now: datetime,
) -> EventRow:
    charged = reason == "valid_vhs"
    period = month_of(now)
    counter = await usage.count(connection, account.id, period, charged=int(charged))
    tier = current_tier(account, counter.usage)
    return EventRow(
        event_id=outcome.event_id,
        account_id=account.id,
        key_id=outcome.caller.key_id,
        period=period,
        endpoint=outcome.endpoint,
        call_type=outcome.call_type,
        billable=charged,
        reason=reason,
        seq=counter.n if charged else None,
        monthly_usage=counter.usage,
        tier=tier,
        rate_cents=rate_cents(tier, outcome.call_type, custom_rates(account)) if charged else None,
        uuid_sha256=patient,
        result_code=outcome.result_code,
        model_version=outcome.model_version,
        request_id=outcome.request_id,
        voids=None,
        at=now,
    )


def month_of(instant: datetime) -> str:
    """Give the month that an instant in UTC belongs to, YYYY-MM."""
    return f"{instant:%Y-%m}"


def current_tier(account: AccountRow, monthly_usage: int) -> Tier:
    """Give the account's tier, or that of its volume where it is set to follow that."""
    return tier_of(monthly_usage) if account.auto_tier else cast(Tier, account.tier)


def custom_rates(account: AccountRow) -> dict[CallType, int | None]:
    """Give the rates that are the account's own, in cents."""
    return {"single": account.custom_single_cents, "session": account.custom_session_cents}


def _billing(event: EventRow) -> Billing:
    return Billing(
        billable=event.billable,
        reason=cast(Reason, event.reason),
        call_type=cast(CallType, event.call_type),
        monthly_usage=event.monthly_usage,
        tier=cast(Tier, event.tier),
        rate_cents=event.rate_cents,
    )
