"""A process that settles calls until it is through, or killed; the calls follow from its number alone."""

import asyncio
import hashlib
import random
import sys
from pathlib import Path

from gateway.accounts.billing import Caller, Outcome
from gateway.accounts.ledger import Ledger
from gateway.storage.engine import open_database

AT_A_TIME = 4
ACCOUNTS = ("one", "two")
PATIENTS = 20


def call(event_id: str) -> Outcome:
    """Give the call of an id, the same in every process: 10 % without a result, 30 % of twenty patients."""
    chance = random.Random(int(hashlib.sha256(event_id.encode()).hexdigest()[:12], 16))
    valid = chance.random() >= 0.1
    patient = f"patient {chance.randrange(PATIENTS)}" if chance.random() < 0.3 else None
    return Outcome(
        event_id=event_id,
        caller=Caller(chance.choice(ACCOUNTS), "testskey"),
        endpoint="/v3/predict",
        call_type=chance.choice(("single", "session")),
        result_code=1 if valid else 5,
        valid_vhs=valid,
        uuid=patient,
        vhs=10.0 if valid else None,
        vlas=None,
        model_version="1.0.0",
        request_id="r",
    )


def event_ids(worker: int, calls: int) -> list[str]:
    """Give the ids of a worker's calls: a fifth of them are those of every other worker, too."""
    shared = [f"shared {number}" for number in range(calls // 5)]
    own = [f"worker {worker} call {number}" for number in range(calls - len(shared))]
    return random.Random(worker).sample(shared + own, calls)


async def settle_all(url: str, folder: Path, worker: int, calls: int) -> None:
    """Settle this worker's calls, some at a time, and note each that is through."""
    database = await open_database(url, pool_size=AT_A_TIME)
    ledger = Ledger(database, folder / "voids", timeout_seconds=120)
    waiting = iter(event_ids(worker, calls))

    async def settle(notes) -> None:
        for event_id in waiting:
            billing = await ledger.settle(call(event_id))
            notes.write(f"{event_id}\t{billing.billable}\t{billing.reason}\t{billing.monthly_usage}\n")

    with (folder / f"notes {worker}").open("a", buffering=1) as notes:
        await asyncio.gather(*(settle(notes) for _ in range(AT_A_TIME)))
    await database.close()


if __name__ == "__main__":
    asyncio.run(settle_all(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
