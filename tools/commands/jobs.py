"""Durable jobs."""

from typing import Annotated, Literal

import typer

from tools.commands.options import AsJson

jobs_app = typer.Typer(no_args_is_help=True, help="Durable jobs: inference requests, bulk folders.")
JobId = Annotated[str, typer.Argument(help="The job's id, with or without dashes.")]


@jobs_app.command("list")
def list_jobs(
    api: Annotated[str | None, typer.Option(help="inference_requests or chest_xray; default: all.")] = None,
    state: Annotated[
        Literal["queued", "running", "succeeded", "failed", "cancelled"] | None,
        typer.Option(help="Only jobs in this state."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first."""
    from tools.jobs import list_jobs as run

    run(api, state, limit, as_json=as_json)


@jobs_app.command("show")
def show_job(job: JobId, as_json: AsJson = False) -> None:
    """Print what is known of a job."""
    from tools.jobs import show

    show(job, as_json=as_json)


@jobs_app.command("watch")
def watch_job(job: JobId, as_json: AsJson = False) -> None:
    """Follow a job to its end; the exit code says which."""
    from tools.jobs import watch

    raise typer.Exit(watch(job, as_json=as_json))


@jobs_app.command("cancel")
def cancel_job(job: JobId, as_json: AsJson = False) -> None:
    """Ask a job to end; what is in work is finished or left, and nothing more begun."""
    from tools.jobs import cancel

    cancel(job, as_json=as_json)
