"""Bulk inference over a real job engine, on SQLite."""

import contextlib
import json

import pytest

from gateway.apis.chest_xray.bulk import KIND, QUEUE, Bulk
from gateway.apis.chest_xray.bulk_job import BulkWork
from gateway.files.roots import Roots
from gateway.jobs.dbos_engine import dbos_job_engine
from gateway.storage.engine import open_database
from tests.apis.bulk_callers import Caller


@pytest.fixture
async def start_bulk(service, tmp_path):
    """Start the engine and bulk inference over it; one at a time, a second start is a restart."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(service=service, roots=None, **options):
            await stack.aclose()
            given = {"input_roots": roots or Roots(), "output_roots": roots or Roots()}
            work = BulkWork(service, **given, in_flight=options.pop("in_flight", 4))
            database = await open_database(f"sqlite:///{tmp_path / 'jobs.db'}")
            stack.push_async_callback(database.close)
            engine = dbos_job_engine(
                database, kinds={KIND: work.run}, queues={QUEUE: options.pop("jobs", 2)}, executor_id="one"
            )
            stack.push_async_callback(engine.close)
            await engine.start()
            return Bulk(engine, **given, **options)

        yield start


@pytest.fixture
async def bulk_client(serve_service, service, start_bulk):
    return await serve_service(service, bulk=await start_bulk())


@pytest.fixture
def folders(input_folder, output_folder):
    return {"input_folder_path": str(input_folder), "output_folder_path": str(output_folder)}


@pytest.fixture
def caller(bulk_client, folders):
    return Caller(bulk_client, folders)


@pytest.fixture
def write_films(write_film, input_folder):
    """Write films of patients of their own, in folders of three."""

    def write(count, start=0):
        for number in range(start, start + count):
            (input_folder / f"d{number // 3}").mkdir(exist_ok=True)
            write_film(
                f"d{number // 3}/f{number:03}.dcm",
                PatientID=f"P{number:03}",
                SOPInstanceUID=f"1.2.3.{number}",
            )

    return write


@pytest.fixture
def sets(output_folder):
    """Give what stands in the output folder: folder to the SOP instance of its complete set."""

    def take() -> dict[str, str]:
        found = {}
        for folder in sorted(each for each in output_folder.iterdir() if not each.name.startswith(".")):
            if folder.is_dir():
                names = {path.name for path in folder.iterdir()}
                (marker,) = [name for name in names if name.endswith("_predictions.json")]
                stem = marker.removesuffix("_predictions.json")
                assert names == {
                    f"{stem}_{suffix}"
                    for suffix in ("predictions.json", "heatmap.png", "source_image.png", "report.pdf")
                }
                found[folder.name] = json.loads((folder / marker).read_text())["metadata"]["sop_instance_uid"]
        return found

    return take


@pytest.fixture
def manifest(output_folder):
    """Read the manifest."""

    def read() -> list[dict]:
        return [json.loads(line) for line in (output_folder / "bulk_manifest.jsonl").read_text().splitlines()]

    return read


@pytest.fixture
def inferred(triton):
    """Give how many films Triton was sent."""
    return lambda: len(triton.calls)
