"""`radgate models ls` and `verify`: what each network's engine is, and whether it still is what was built."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.triton.networks.engine import (
    EngineUnfit,
    Manifest,
    Target,
    check_files,
    plan_for,
    read_manifest,
)
from gateway.triton.networks.gpu import this_target
from tools.models import parity
from tools.models.process import ask
from tools.models.repository import Network, networks_of
from tools.models.worker import Order

State = Literal["engine", "elsewhere", "none", "failed", "unfit"]
COLOURS = {"engine": "green", "elsewhere": "yellow", "none": "default", "failed": "red", "unfit": "red"}


class Seen(NamedTuple):
    """One network and its engine as they lie in the repository."""

    network: Network
    state: State
    """`engine`: for this GPU; `elsewhere`: for another; `none`: never built; `failed`, `unfit`: an alarm."""
    detail: str
    manifest: Manifest | None

    def as_json(self) -> dict[str, Any]:
        """Give a document for programs."""
        built = self.manifest if self.manifest and self.manifest.outcome == "built" else None
        return {
            "model": self.network.model,
            "version": self.network.version.name,
            "state": self.state,
            "detail": self.detail,
            "gpu_config": self.network.gpu_config.exists(),
            "precision": built.made_of["precision"] if built else None,
            "target": built.made_of["target"] if built else None,
            "built_at": built.built_at if built else None,
            "parity": built.parity if built else None,
        }


def list_models(repository: Path, *, as_json: bool) -> int:
    """Print each network's state; always 0."""
    _print([_seen(network, _target()) for network in networks_of(repository)], as_json=as_json)
    return 0


def verify(
    models: Sequence[str], *, repository: Path, compare: bool, timeout_seconds: float, as_json: bool
) -> int:
    """Check each network's engine; 1 when one failed or is unfit, or where there is a GPU, absent.

    Parameters
    ----------
    compare
        Run each engine again, too, and hold it against ONNX Runtime.
    """
    target = _target()
    found = [_seen(network, target) for network in networks_of(repository, models)]
    if compare:
        found = [_compared(each, timeout_seconds) if each.state == "engine" else each for each in found]
    _print(found, as_json=as_json)
    alarms = {"failed", "unfit"} if target is None else {"failed", "unfit", "none", "elsewhere"}
    return int(any(each.state in alarms for each in found))


def engines_here(repository: Path) -> list[Seen]:
    """See what each network's engine is, for a check of the whole machine."""
    return [_seen(network, _target()) for network in networks_of(repository)]


def _target() -> Target | None:
    try:
        return this_target()
    except EngineUnfit:
        return None


def _seen(network: Network, target: Target | None) -> Seen:
    manifests = sorted(network.version.glob("model.sm*.plan.json"))
    if target is not None and network.manifest(target) in manifests:
        return _of_this_gpu(network, target)
    if not manifests:
        return Seen(network, "none", "the CPU variant runs: no engine was built", None)
    return _elsewhere(network, manifests[0])


def _of_this_gpu(network: Network, target: Target) -> Seen:
    path = network.manifest(target)
    try:
        manifest = read_manifest(path)
        if manifest.outcome == "failed":
            return Seen(network, "failed", manifest.reason, manifest)
        plan_for(network.graph, target)
    except EngineUnfit as error:
        return Seen(network, "unfit", str(error), None)
    return Seen(network, "engine", f"{path.stem}, {_of(manifest)}", manifest)


def _elsewhere(network: Network, path: Path) -> Seen:
    """See to an engine for a GPU that is not here: it may be told whether it is whole, and no more."""
    try:
        manifest = read_manifest(path)
        if manifest.outcome == "failed":
            return Seen(network, "failed", manifest.reason, manifest)
        check_files(network.graph, path.with_suffix(""), manifest)
    except EngineUnfit as error:
        return Seen(network, "unfit", str(error), None)
    return Seen(network, "elsewhere", f"{path.stem}, {_of(manifest)}", manifest)


def _of(manifest: Manifest) -> str:
    return f"{manifest.made_of['precision']}, {manifest.target.gpu}, TensorRT {manifest.target.tensorrt}"


def _compared(seen: Seen, timeout_seconds: float) -> Seen:
    assert seen.manifest is not None
    network, manifest = seen.network, seen.manifest
    order = Order(
        model=network.model,
        graph=str(network.graph.resolve()),
        precision=manifest.made_of["precision"],
        profile=manifest.made_of["profile"],
        timing_cache="",
        plan=str(network.plan(manifest.target).resolve()),
    )
    try:
        report = ask("compare", asdict(order), timeout_seconds=timeout_seconds)
    except EngineUnfit as error:
        return seen._replace(state="unfit", detail=f"it does not run: {error}")
    if beyond := parity.faults(report["parity"]):
        return seen._replace(state="unfit", detail=f"it differs from ONNX Runtime: {'; '.join(beyond)}")
    return seen


def _print(found: Sequence[Seen], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([each.as_json() for each in found], indent=2))
        return
    table = Table("Network", "Version", "State", "")
    for each in found:
        colour = COLOURS[each.state]
        table.add_row(
            each.network.model,
            each.network.version.name,
            f"[{colour}]{each.state}[/{colour}]",
            escape(each.detail),
        )
    Console().print(table)
