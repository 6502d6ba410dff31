"""A process that runs jobs until it is killed, for the tests that kill or freeze one."""

import asyncio
import contextlib
import multiprocessing
import os
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from gateway.jobs import durable, runner
from gateway.jobs.dbos_engine import dbos_job_engine
from gateway.jobs.engine import Submission
from gateway.jobs.items import Outcome
from gateway.storage.engine import open_database

STEPS = ("fetch", "infer", "export")
FILMS = 1200
AT_A_TIME = 4


def submissions():
    films = Submission(
        api="tests", account="clinic", external_id="films", kind="films", request={}, queue="wide", priority=1
    )
    return [
        films,
        *(
            Submission(
                api="tests",
                account="clinic",
                external_id=f"steps {number}",
                kind="steps",
                request={"number": number},
                queue="wide",
            )
            for number in range(30)
        ),
    ]


class Worker:
    """One life of a process: submits everything, as a client that repeats itself, and runs it."""

    def __init__(self, url, folder, executor_id, dead_after):
        self.url = url
        self.folder = Path(folder)
        self.executor_id = executor_id
        self.dead_after = dead_after
        runner.MOST_CRASHES = 1000  # these tests kill more often than a bad job would
        if executor_id == "frozen":
            durable.PULSE_SECONDS = 60.0  # which might notice first; the fence must hold by itself

    async def live(self, ready, submitted):
        database = await open_database(self.url)
        engine = dbos_job_engine(
            database,
            kinds={"steps": self.steps, "films": self.films, "effect": self.effect},
            queues={"wide": 4},
            executor_id=self.executor_id,
            dead_after=self.dead_after,
        )
        await engine.start()
        ready.set()
        for submission in submitted:
            await engine.submit(submission)
        await asyncio.Event().wait()

    async def steps(self, job_id, context):
        for name in STEPS:
            await context.step(name, lambda name=name: self.step(job_id, name))

    async def step(self, job_id, name):
        self.note(f"{job_id} {name}")
        await asyncio.sleep(0.12)

    async def films(self, job_id, context):
        """Infer each film and publish its output by one rename, several at a time."""

        async def names():
            return (f"film{number:04d}" for number in range(FILMS))

        items = await context.items(names)
        room = asyncio.Semaphore(AT_A_TIME)

        async def process(item):
            try:
                output = self.folder / item.name
                if not (item.doubtful and output.exists()):
                    self.note(f"{item.name} {'again' if output.exists() else 'inferred'}")
                    await asyncio.sleep(0.004)
                    (self.folder / f".{item.name}").write_text("findings")
                    (self.folder / f".{item.name}").rename(output)
                await items.settle(item, Outcome.SUCCEEDED)
            finally:
                room.release()

        tasks = set()
        async for item in items.pending():
            await room.acquire()
            task = asyncio.create_task(process(item))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        return {"films": items.done}

    async def effect(self, job_id, context):
        """Take a while, then do something to our tables, which must happen once."""
        self.note(f"{job_id} {self.executor_id} begins")
        await asyncio.sleep(0.8)
        async with context.transaction() as connection:
            await connection.execute(
                text("INSERT INTO effects (job_id, executor_id) VALUES (:job_id, :executor_id)"),
                {"job_id": job_id, "executor_id": self.executor_id},
            )
        self.note(f"{job_id} {self.executor_id} ends")

    def note(self, line):
        """Append to a file, which a kill cannot take back."""
        fd = os.open(self.folder / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, f"{line}\n".encode())
        os.close(fd)


def _live(url, folder, executor_id, dead_after, ready, submitted):
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Worker(url, folder, executor_id, dead_after).live(ready, submitted))


# Forked from a process that has imported everything: a life then starts in a fraction of a second.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.jobs.worker"])


def start(url, folder, *, executor_id="one", dead_after=timedelta(seconds=60), submitted=()):
    """Start a worker and wait until it runs jobs."""
    ready = _processes.Event()
    process = _processes.Process(
        target=_live, args=(url, str(folder), executor_id, dead_after, ready, list(submitted)), daemon=True
    )
    process.start()
    assert ready.wait(20)
    return process


def end(process):
    """Kill it, and wait until it is gone."""
    process.kill()
    process.join(10)
