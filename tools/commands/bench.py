"""Measurements."""

from pathlib import Path
from typing import Annotated

import typer

from tools.commands.options import AsJson

bench_app = typer.Typer(no_args_is_help=True, help="Measure, with both sides of a comparison in one run.")


@bench_app.command("chest-xray")
def bench_chest_xray(
    films: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder of .dcm films; default: phantoms."),
    ] = None,
    count: Annotated[int, typer.Option(min=4, help="Films a round and side.")] = 24,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; medians of their ratios are printed.")] = 5,
    in_flight: Annotated[int, typer.Option(min=1, help="Films in flight at a time.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Compare the gateway with a direct gRPC client and with a plain sequential script."""
    from tools.bench.chest_xray import bench

    raise typer.Exit(bench(films, count=count, rounds=rounds, in_flight=in_flight, as_json=as_json))


@bench_app.command("bulk")
def bench_bulk(
    films: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder of .dcm films; default: phantoms."),
    ] = None,
    count: Annotated[int, typer.Option(min=8, help="Films a round and side.")] = 60,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; medians of their ratios are printed.")] = 3,
    memory: Annotated[
        bool, typer.Option("--memory", help="Also compare the peak memory of 500 and 5,000 films.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare a bulk job with a plain sequential script; see what it does to interactive requests."""
    from tools.bench.bulk import bench

    raise typer.Exit(bench(films, count=count, rounds=rounds, memory=memory, as_json=as_json))


@bench_app.command("large-batch")
def bench_large_batch(
    at_once: Annotated[int, typer.Option(min=1, max=7, help="Batches at a time.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Send batches of 140 MB and measure how soon /v3/health answers; exit code 1 above 50 ms."""
    from tools.bench.large_batch import bench

    raise typer.Exit(bench(at_once=at_once, as_json=as_json))


@bench_app.command("tritons")
def bench_tritons(
    rounds: Annotated[int, typer.Option(min=1, help="Each measures one Triton and two.")] = 7,
    calls: Annotated[int, typer.Option(min=8, help="Calls to each Triton and round.")] = 32,
    as_json: AsJson = False,
) -> None:
    """Compare two Tritons with one, both waiting rather than computing; exit code 1 below 1.9 times."""
    from tools.bench.tritons import bench

    raise typer.Exit(bench(rounds=rounds, calls=calls, as_json=as_json))


@bench_app.command("vhs")
def bench_vhs(
    films: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder of JPEG and PNG films; default: phantoms."),
    ] = None,
    count: Annotated[int, typer.Option(min=10, help="Films a round and side.")] = 24,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; medians of their ratios are printed.")] = 5,
    in_flight: Annotated[int, typer.Option(min=1, help="Films in flight at a time.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Compare the VHS API with a direct gRPC client; time one film and a batch of ten."""
    from tools.bench.vhs import bench

    raise typer.Exit(bench(films, count=count, rounds=rounds, in_flight=in_flight, as_json=as_json))


@bench_app.command("pop")
def bench_pop(
    count: Annotated[int, typer.Option(min=2, help="Different photos, each of 12 megapixels.")] = 4,
    rounds: Annotated[int, typer.Option(min=3, help="Calls with each photo and side.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Time /v3/corners, /v3/preprocess and /v3/predict on 12-megapixel photos; exit code 1 above 120 ms."""
    from tools.bench.pop import bench

    raise typer.Exit(bench(count=count, rounds=rounds, as_json=as_json))


@bench_app.command("acr")
def bench_acr(
    count: Annotated[int, typer.Option(min=20, help="Requests at the fixed rate.")] = 200,
    rate: Annotated[float, typer.Option(min=0.1, help="Requests a second.")] = 20.0,
    burst: Annotated[int, typer.Option(min=8, help="Requests sent as fast as they are accepted.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Have inference requests accepted, assessed and exported; needs Debian's Orthanc."""
    from tools.bench.acr import bench
    from tools.orthanc import NotInstalled

    try:
        code = bench(count=count, rate=rate, burst=burst, as_json=as_json)
    except NotInstalled as error:
        raise SystemExit(str(error)) from error
    raise typer.Exit(code)


@bench_app.command("maisi")
def bench_maisi(
    count: Annotated[int, typer.Option(min=1, help="Volumes, one after the other.")] = 3,
    size: Annotated[tuple[int, int, int], typer.Option(help="Voxels along x, y and z.")] = (256, 256, 128),
    spacing: Annotated[tuple[float, float, float], typer.Option(help="In mm.")] = (1.5, 1.5, 1.5),
    anatomy: Annotated[list[str] | None, typer.Option(help="Structure that is to be there; repeat.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the flow; default: the model's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Generate volumes end to end: seconds, stages, memory, quality; exit code 1 below 95 % passed."""
    from tools.bench.maisi import bench

    asked = anatomy or ["liver", "spleen", "right kidney", "left kidney"]
    raise typer.Exit(
        bench(
            size=list(size), spacing=list(spacing), anatomy=asked, count=count, steps=steps, as_json=as_json
        )
    )
