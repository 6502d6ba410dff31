"""The `radgate` command. Each part is imported only when it is called: `radgate --help` answers at once."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from gateway import __version__
from gateway.errors import GatewayError


class OneLineErrors(TyperGroup):
    """Ends a command in one line, as `serve` does, where the settings or the machine do not allow it."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (ValueError, RuntimeError, OSError, GatewayError) as error:
            if not (lines := _sentences(error)):
                raise
        for line in lines:
            print(f"radgate: {line}", file=sys.stderr)
        raise typer.Exit(2)


def _sentences(error: Exception) -> list[str]:
    from pydantic import ValidationError

    from gateway.accounts.secrets import SecretRefused
    from gateway.settings import faults
    from gateway.triton.installation import TritonNotInstalled
    from gateway.triton.networks.engine import EngineUnfit

    if isinstance(error, ValidationError):
        return faults(error)
    ours = SecretRefused | TritonNotInstalled | EngineUnfit | OSError | GatewayError
    return [str(error)] if isinstance(error, ours) else []


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Medical imaging inference server.",
)
tokens_app = typer.Typer(no_args_is_help=True, help="Tokens for the chest X-ray API.")
keys_app = typer.Typer(no_args_is_help=True, help="API keys for the VHS API.")
jobs_app = typer.Typer(no_args_is_help=True, help="Durable jobs: inference requests, bulk folders.")
accounts_app = typer.Typer(no_args_is_help=True, help="Accounts that are billed, and their terms.")
bench_app = typer.Typer(no_args_is_help=True, help="Measure, with both sides of a comparison in one run.")
models_app = typer.Typer(no_args_is_help=True, help="Networks and their TensorRT engines.")
import_app = typer.Typer(no_args_is_help=True, help="Bring in weights that others published (extra: train).")
train_app = typer.Typer(no_args_is_help=True, help="Train the models that come with RadGate (extra: train).")
app.add_typer(tokens_app, name="tokens")
app.add_typer(keys_app, name="keys")
app.add_typer(accounts_app, name="accounts")
app.add_typer(jobs_app, name="jobs")
app.add_typer(models_app, name="models")
models_app.add_typer(import_app, name="import")
app.add_typer(bench_app, name="bench")
app.add_typer(train_app, name="train")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
Account = Annotated[str, typer.Argument(help="Name of the account, such as a clinic's.")]
KeyId = Annotated[str, typer.Argument(help="The key's id: what comes after rad_live_, or keys list shows.")]
Networks = Annotated[list[str] | None, typer.Argument(metavar="MODEL…", help="Networks; default: all.")]
Repository = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="Triton's folder of models; default: the settings'."),
]
BuildSeconds = Annotated[float, typer.Option(min=1, help="How long one network may take.")]
JobId = Annotated[str, typer.Argument(help="The job's id, with or without dashes.")]
TierOption = Annotated[
    Literal["paygo", "starter", "professional", "enterprise"] | None,
    typer.Option(help="Price list; paygo for a new account. Enterprise needs rates of its own."),
]
AutoTier = Annotated[
    bool | None, typer.Option("--auto-tier/--assigned-tier", help="Let the month's volume set the tier.")
]
SingleRate = Annotated[
    str | None, typer.Option(metavar="DOLLARS", help="Enterprise's rate of a single call.")
]
SessionRate = Annotated[str | None, typer.Option(metavar="DOLLARS", help="Enterprise's rate of a session.")]
ExpiresDays = Annotated[
    float | None, typer.Option(min=0.001, max=3650, help="How long the key is good; default: no end.")
]


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@app.command()
def serve() -> None:
    """Serve all APIs; settings come from RADGATE_* variables or a .env file."""
    from gateway.__main__ import main

    raise typer.Exit(main())


@tokens_app.command("issue")
def issue_token(
    subject: Annotated[str, typer.Option(help="Whom the token is for, such as a site's name.")],
    days: Annotated[float, typer.Option(min=0.001, max=3650, help="How long it is valid.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Issue a token; the token alone is the last line."""
    from tools.tokens import issue

    issue(subject, days, as_json=as_json)


@keys_app.command("create")
def create_key(
    account: Account,
    tier: TierOption = None,
    auto_tier: AutoTier = None,
    single_rate: SingleRate = None,
    session_rate: SessionRate = None,
    expires_days: ExpiresDays = None,
    as_json: AsJson = False,
) -> None:
    """Make a key, and its account where it is new; the key alone is the last line, shown this once."""
    from tools.accounts import terms_of
    from tools.keys import create

    create(account, terms_of(tier, auto_tier, single_rate, session_rate), expires_days, as_json=as_json)


@keys_app.command("list")
def list_keys(
    account: Annotated[str | None, typer.Argument(help="Name of the account; default: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """List keys, by what may be shown of them."""
    from tools.keys import list_keys as run

    run(account, as_json=as_json)


@keys_app.command("revoke")
def revoke_key(key_id: KeyId, as_json: AsJson = False) -> None:
    """End a key now."""
    from tools.keys import revoke

    revoke(key_id, as_json=as_json)


@keys_app.command("rotate")
def rotate_key(
    key_id: KeyId,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=24 * 366, help="How long the old key stays good.")
    ] = 24,
    expires_days: ExpiresDays = None,
    as_json: AsJson = False,
) -> None:
    """Make a key that follows another; the key alone is the last line, shown this once."""
    from tools.keys import rotate

    rotate(key_id, overlap_hours, expires_days, as_json=as_json)


@accounts_app.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """List accounts with their terms."""
    from tools.accounts import list_accounts as run

    run(as_json=as_json)


@accounts_app.command("set")
def set_terms(
    account: Account,
    tier: TierOption = None,
    auto_tier: AutoTier = None,
    single_rate: SingleRate = None,
    session_rate: SessionRate = None,
    as_json: AsJson = False,
) -> None:
    """Change an account's terms, from the next call on, or open it."""
    from tools.accounts import set_terms as run
    from tools.accounts import terms_of

    run(account, terms_of(tier, auto_tier, single_rate, session_rate), as_json=as_json)


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


@app.command()
def usage(
    account: Annotated[str | None, typer.Argument(help="Name of the account; default: all.")] = None,
    month: Annotated[
        str | None, typer.Option(metavar="YYYY-MM", help="Month in UTC; default: this one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what accounts used in a month, and what they owe."""
    from tools.usage import usage as run

    run(account, month, as_json=as_json)


@app.command()
def predict(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="DICOM files.")],
    output: Annotated[Path | None, typer.Option(help="Folder for the four files of each film.")] = None,
    as_json: AsJson = False,
) -> None:
    """Assess chest films, on a running Triton or one started for this."""
    from tools.predict import predict as run

    raise typer.Exit(run(files, output, as_json=as_json))


@app.command()
def bulk(
    source: Annotated[
        Path, typer.Argument(metavar="IN", exists=True, file_okay=False, help="Folder of films.")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the results.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Leave films alone whose complete results are there already.")
    ] = False,
    manifest: Annotated[
        bool, typer.Option("--manifest", help="Leave bulk_manifest.jsonl: what became of each film.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Assess a folder of films, on the running instance or one started for this; Ctrl-C cancels."""
    from tools.bulk import bulk as run

    raise typer.Exit(run(source, target, resume=resume, manifest=manifest, as_json=as_json))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check this machine and the running instance; exit code 1 when something is wrong."""
    from tools.doctor import doctor as run

    raise typer.Exit(run(as_json=as_json))


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("var/demo"),
) -> None:
    """Start an instance, call each API once on sample input made here, and stop it."""
    from tools.demo import demo as run

    raise typer.Exit(run(output))


@models_app.command("ls")
def list_models(repository: Repository = None, as_json: AsJson = False) -> None:
    """List networks, and whether an engine of each was built."""
    from tools.models.states import list_models as run

    raise typer.Exit(run(_repository(repository), as_json=as_json))


@models_app.command("build")
def build_models(
    models: Networks = None,
    repository: Repository = None,
    output: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Folder for a copy of the repository, which Triton serves with --model-config-name=gpu; a "
            "network without an engine loses its GPU variant there. Default: install in the repository.",
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Where engines are kept; machines may share it. Default: DATA_DIR/engines."
        ),
    ] = None,
    precision: Annotated[
        Literal["fp16", "fp32"], typer.Option(help="fp16 between the convolutions, or fp32 throughout.")
    ] = "fp16",
    server_tensorrt: Annotated[
        str, typer.Option(metavar="VERSION", help="Refuse to build where this is not Python's TensorRT.")
    ] = "",
    timeout_seconds: BuildSeconds = 1800,
    as_json: AsJson = False,
) -> None:
    """Build TensorRT engines for this GPU; exit code 1 when a network is left to its CPU variant."""
    from gateway.settings import Settings
    from tools.models.build import build as run

    if models and output:
        raise typer.BadParameter("a copy of the repository needs every network's engine: name none")
    code = run(
        models or [],
        repository=_repository(repository),
        cache=cache or Settings().data_dir / "engines",
        output=output,
        precision=precision,
        server_tensorrt=server_tensorrt,
        timeout_seconds=timeout_seconds,
        as_json=as_json,
    )
    raise typer.Exit(code)


@models_app.command("verify")
def verify_models(
    models: Networks = None,
    repository: Repository = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Run each engine again and compare it with ONNX Runtime.")
    ] = False,
    timeout_seconds: BuildSeconds = 600,
    as_json: AsJson = False,
) -> None:
    """Check engines; exit code 1 when one failed or changed, or where there is a GPU, is missing."""
    from tools.models.states import verify as run

    code = run(
        models or [],
        repository=_repository(repository),
        compare=compare,
        timeout_seconds=timeout_seconds,
        as_json=as_json,
    )
    raise typer.Exit(code)


@import_app.command("maisi")
def import_maisi(
    bundle: Annotated[
        Path,
        typer.Argument(
            exists=True, file_okay=False, help="Folder of the bundle maisi_ct_generative or NV-Generate-CTMR."
        ),
    ],
    repository: Repository = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Unpickle whatever the files hold, which can run any code.")
    ] = False,
) -> None:
    """Put MAISI's official weights in the place of the small ones that come with RadGate."""
    try:
        from tools.models_import.maisi import import_maisi as run
    except ImportError as error:
        raise SystemExit("importing needs torch and safetensors: pip install 'radgate[train]'") from error
    run(bundle, _repository(repository), trusted=trust)


def _repository(given: Path | None) -> Path:
    from gateway.settings import Settings

    return given or Settings().model_repository


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


@train_app.command("chest-xray")
def train_chest_xray(
    data: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder with nih/ and mednist/.")],
    output: Annotated[Path, typer.Option(help="Where model.onnx and its card's figures go.")] = Path(
        "var/train/chest_xray"
    ),
    seed: Annotated[int, typer.Option(help="Makes the run repeatable.")] = 0,
) -> None:
    """Train the chest X-ray classifier and its gate."""
    from tools.train.chest_xray.training import train

    train(data, output, seed=seed)


@train_app.command("vhs")
def train_vhs(
    output: Annotated[
        Path, typer.Option("--output", "--out", help="Where model.onnx, its figures and the drawn films go.")
    ] = Path("var/train/vhs"),
    data: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Folder with nih/ and mednist/: what is no dog's thorax."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Makes the run repeatable.")] = 0,
    go_on_from: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A graph of this network to train further."),
    ] = None,
) -> None:
    """Train the five folds that find the landmarks of VHS and VLAS, on drawn films."""
    from tools.train.vhs.training import train

    train(data, output, seed=seed, go_on_from=go_on_from)


@train_app.command("screen")
def train_screen(
    output: Annotated[
        Path, typer.Option("--output", "--out", help="Where model.onnx and its card's figures go.")
    ] = Path("var/train/screen"),
    seed: Annotated[int, typer.Option(help="Makes the run repeatable.")] = 0,
) -> None:
    """Train the five folds that find a photographed screen's corners, on drawn photos."""
    from tools.train.screen.training import train

    train(output, seed=seed)


@train_app.command("maisi")
def train_maisi(
    output: Annotated[
        Path, typer.Option("--output", "--out", help="Where the graphs, their figures and drawn volumes go.")
    ] = Path("var/train/maisi"),
    seed: Annotated[int, typer.Option(help="Makes the run repeatable.")] = 0,
) -> None:
    """Train MAISI's small networks, on drawn anatomy and its drawn CT."""
    from tools.train.maisi.training import train

    train(output, seed=seed)


if __name__ == "__main__":
    sys.exit(app())
