"""Training of the models that come with RadGate."""

from pathlib import Path
from typing import Annotated

import typer

train_app = typer.Typer(no_args_is_help=True, help="Train the models that come with RadGate (extra: train).")


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
    go_on_from: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="A model repository whose graphs to train further."),
    ] = None,
) -> None:
    """Train the networks that find a photographed screen's corners and sides, on drawn photos."""
    from tools.train.screen.training import train

    train(output, seed=seed, go_on_from=go_on_from)


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
