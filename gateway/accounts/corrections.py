"""How a charge that must not stand is taken back: by another row, never by a change."""

from datetime import datetime

from gateway.accounts.entry import current_tier, month_of
from gateway.accounts.voids import VoidOrder
from gateway.storage import accounts, idempotency, usage
from gateway.storage.idempotency import Place
from gateway.storage.transactions import Connection
from gateway.storage.usage import EventRow


async def carry_out(connection: Connection, order: VoidOrder, *, now: datetime) -> None:
    """Take an event back if it was charged; if it is not there, see to it that it never is.

    A commit whose end was not seen may still be on its way. Taking its place makes this wait for it:
    either it is there then, or its place is taken and it fails.
    """
    event = await usage.find(connection, order.event_id)
    if event is None:
        await _take_the_place(connection, order, now)
    elif event.billable and await usage.void_of(connection, event.event_id) is None:
        await _take_back(connection, event, now)
    if order.idempotency_place is not None:
        place = Place(order.account, *order.idempotency_place)
        await idempotency.forget(connection, place, answered=True)  # it says that the call was charged


async def _take_the_place(connection: Connection, order: VoidOrder, now: datetime) -> None:
    account = await accounts.get(connection, order.account)
    period = month_of(now)
    counter = await usage.count(connection, order.account, period)
    event = EventRow(
        event_id=order.event_id,
        account_id=order.account,
        key_id=order.key_id,
        period=period,
        endpoint=order.endpoint,
        call_type=order.call_type,
        billable=False,
        reason="billing_error",
        seq=None,
        monthly_usage=counter.usage,
        tier=current_tier(account, counter.usage),
        rate_cents=None,
        uuid_sha256=None,
        result_code=None,
        model_version=order.model_version,
        request_id=order.request_id,
        voids=None,
        at=now,
    )
    await usage.append(connection, event)


async def _take_back(connection: Connection, event: EventRow, now: datetime) -> None:
    if event.uuid_sha256 is not None:
        await usage.end_grace(connection, event.event_id, event.account_id, event.uuid_sha256)
    counter = await usage.count(connection, event.account_id, event.period, voided=1)
    void = event._replace(
        event_id=f"void:{event.event_id}",
        billable=False,
        reason="void",
        seq=None,
        monthly_usage=counter.usage,
        rate_cents=-(event.rate_cents or 0),
        voids=event.event_id,
        at=now,
    )
    await usage.append(connection, void)
