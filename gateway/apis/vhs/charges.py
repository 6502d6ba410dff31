"""What calls to the VHS API cost, and what patients' earlier calls gave."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from gateway.accounts.billing import (
    Billing,
    Caller,
    Idempotency,
    Measurement,
    Outcome,
    event_id_of,
    new_event_id,
)
from gateway.accounts.ledger import Ledger
from gateway.accounts.pricing import CallType
from gateway.metrics import BILLING_OUTCOMES
from gateway.web.mount import request_id

T = TypeVar("T")


class Repeatable(NamedTuple):
    """What makes a call one that its caller may repeat."""

    key: str
    body_sha256: str


@dataclass(frozen=True)
class Charge:
    """One call, which is one event in the ledger."""

    caller: Caller
    endpoint: str
    call_type: CallType
    uuid: str | None
    event_id: str
    repeatable: Repeatable | None = None
    patient_sha256: str | None = None
    """Of a patient whose name is no longer known."""


class Found(NamedTuple):
    """What a call found, as far as it matters for its price and the patient's history."""

    result_code: int | None
    vhs: float | None
    vlas: float | None


def charge_of(
    caller: Caller,
    *,
    endpoint: str,
    call_type: CallType,
    uuid: str | None,
    repeatable: Repeatable | None = None,
) -> Charge:
    """Name a call: repetitions of a repeatable one have the same name."""
    if repeatable is None:
        event_id = new_event_id()
    else:
        event_id = event_id_of(caller, endpoint, repeatable.key, repeatable.body_sha256)
    return Charge(caller, endpoint, call_type, uuid, event_id, repeatable)


class Charges:
    """The ledger as this API uses it; a settlement that has begun is brought to its end.

    Parameters
    ----------
    ledger
        Where the events go.
    model_version
        Written down with each.
    """

    def __init__(self, ledger: Ledger, *, model_version: str) -> None:
        self._ledger = ledger
        self._model_version = model_version
        self._settling: set[asyncio.Task[Any]] = set()

    async def earlier_answer(self, charge: Charge) -> bytes | None:
        """Give the answer that a repeated call got at first; None for a call that is the first.

        Raises
        ------
        UnprocessableRequest, Conflict
            The key was used with another body, or its first call is at work.
        """
        if charge.repeatable is None:
            return None
        return await self._ledger.stored_answer(charge.caller, charge.endpoint, *charge.repeatable)

    async def give_up(self, charge: Charge) -> None:
        """Let a call that came to no answer be repeated at once."""
        if charge.repeatable is not None:
            await self.to_its_end(self._ledger.release(charge.caller, charge.endpoint, charge.repeatable.key))

    async def history(self, charge: Charge) -> Sequence[Measurement] | None:
        """Give the patient's measurements but this call's; None where no patient is named."""
        if not charge.uuid:
            return None
        return await self._ledger.history(charge.caller, charge.uuid, before_event=charge.event_id) or []

    async def settle(
        self, charge: Charge, found: Found, answer: Callable[[Billing], bytes] | None = None
    ) -> Billing:
        """Charge a call whose result is there, or say why not.

        Parameters
        ----------
        answer
            Renders what a repetition of a repeatable call is to get.
        """
        outcome = Outcome(
            event_id=charge.event_id,
            caller=charge.caller,
            endpoint=charge.endpoint,
            call_type=charge.call_type,
            result_code=found.result_code,
            valid_vhs=found.vhs is not None,
            uuid=charge.uuid,
            vhs=found.vhs,
            vlas=found.vlas,
            model_version=self._model_version,
            request_id=request_id.get(),
            idempotency=_idempotency(charge, answer),
            patient_sha256=charge.patient_sha256,
        )
        billing = await self.to_its_end(self._ledger.settle(outcome))
        BILLING_OUTCOMES.labels(charge.endpoint, billing.reason).inc()
        return billing

    async def settled(self) -> None:
        """Wait for what is being settled, before the database closes."""
        while self._settling:
            await asyncio.wait(self._settling)

    async def to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Go on with work although whoever waits is cut off: its result may be on its way already."""
        task = asyncio.ensure_future(work)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return await asyncio.shield(task)


def _idempotency(charge: Charge, answer: Callable[[Billing], bytes] | None) -> Idempotency | None:
    if charge.repeatable is None or answer is None:
        return None
    return Idempotency(charge.endpoint, charge.repeatable.key, charge.repeatable.body_sha256, answer)
