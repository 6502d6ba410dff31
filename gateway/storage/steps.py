"""Results of the steps of a job, kept so that a later attempt need not run them again."""

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.clock import Now
from gateway.storage.tables import job_steps


async def outputs(connection: AsyncConnection, job_id: str) -> dict[str, str]:
    """Read what the steps of earlier attempts gave: name to JSON."""
    statement = select(job_steps.c.name, job_steps.c.output).where(job_steps.c.job_id == job_id)
    return dict((await connection.execute(statement)).all())


async def record(connection: AsyncConnection, job_id: str, name: str, output: str) -> None:
    """Keep a step's result; call `jobs.hold` in the same transaction."""
    values = {"job_id": job_id, "name": name, "output": output, "finished_at": Now()}
    await connection.execute(insert(job_steps).values(values))
