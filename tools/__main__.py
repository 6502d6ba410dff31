"""The `radgate` command. Each part is imported only when it is called: `radgate --help` answers at once."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gateway import __version__
from gateway.errors import GatewayError
from tools.commands.accounts import accounts_app, keys_app, tokens_app, usage
from tools.commands.bench import bench_app
from tools.commands.jobs import jobs_app
from tools.commands.models import models_app
from tools.commands.options import AsJson
from tools.commands.train import train_app


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
app.add_typer(tokens_app, name="tokens")
app.add_typer(keys_app, name="keys")
app.add_typer(accounts_app, name="accounts")
app.add_typer(jobs_app, name="jobs")
app.add_typer(models_app, name="models")
app.add_typer(bench_app, name="bench")
app.add_typer(train_app, name="train")


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@app.command()
def serve() -> None:
    """Serve all APIs; settings come from RADGATE_* variables or a .env file."""
    from gateway.__main__ import main

    raise typer.Exit(main())


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


app.command()(usage)

if __name__ == "__main__":
    sys.exit(app())
