"""What is kept of jobs that are over, on disk."""

import asyncio
import contextlib
import uuid
from datetime import timedelta

from gateway.errors import InvalidRequest
from gateway.jobs.folders import JobFolder, JobFolders


async def sweep_once(folders, engine, **options):
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(folders.sweep(engine, **options), 1.0)


async def test_a_sweep_leaves_what_runs_and_what_may_still_be_fetched(
    start, kinds, submission, ended, tmp_path
):
    release = asyncio.Event()

    async def work(job_id, context):
        if context.request["number"] == 1:
            raise InvalidRequest("The film is no film.")
        if context.request["number"] == 3:
            await release.wait()

    kinds["work"] = work
    engine = await start()
    failed, succeeded, running = [(await engine.submit(submission(number))).status.id for number in (1, 2, 3)]
    for job_id in (failed, succeeded):
        await ended(engine, job_id)
    folders = JobFolders(tmp_path / "kept", JobFolder)
    unknown = str(uuid.uuid4())
    for job_id in (failed, succeeded, running, unknown):
        folders.of(job_id).make()
    (folders.root / "somebody's").mkdir()

    await sweep_once(folders, engine, keep=timedelta(hours=1))
    assert set(folders.job_ids()) == {succeeded, running}
    await sweep_once(folders, engine)
    assert folders.job_ids() == [running]
    assert (folders.root / "somebody's").is_dir()
    release.set()
    await ended(engine, running)
