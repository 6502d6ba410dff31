"""Networks, their TensorRT engines, and weights that others published."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tools.commands.options import AsJson

models_app = typer.Typer(no_args_is_help=True, help="Networks and their TensorRT engines.")
import_app = typer.Typer(no_args_is_help=True, help="Bring in weights that others published (extra: train).")
models_app.add_typer(import_app, name="import")

Networks = Annotated[list[str] | None, typer.Argument(metavar="MODEL…", help="Networks; default: all.")]
Repository = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="Triton's folder of models; default: the settings'."),
]
BuildSeconds = Annotated[float, typer.Option(min=1, help="How long one network may take.")]


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
