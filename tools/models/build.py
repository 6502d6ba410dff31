"""`radgate models build`: each network's TensorRT engine, from the cache or built, compared, installed."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.triton.networks.engine import EngineUnfit, Manifest, Target, digest_of
from tools.models import parity
from tools.models.engine_cache import PLAN, EngineCache, key_of, made_of
from tools.models.process import TARGET_SECONDS, ask
from tools.models.repository import Network, copied, fall_back, install, networks_of, read_config
from tools.models.tensorrt_build import LEVEL
from tools.models.worker import TIMING_CACHE, Order

logger = logging.getLogger(__name__)

FELL_BACK = 1


@dataclass(frozen=True)
class Result:
    """What became of one network."""

    network: Network
    manifest: Manifest
    from_cache: bool = False


class Builder:
    """Builds for the GPU of this machine.

    Parameters
    ----------
    cache
        Where engines are kept.
    precision
        `fp16`, or `fp32` without TensorFloat-32.
    timeout_seconds
        How long one build may take, and how long another's is waited for.

    Raises
    ------
    EngineUnfit
        There is no GPU here, or no TensorRT.
    """

    def __init__(self, cache: EngineCache, *, precision: parity.Precision, timeout_seconds: float) -> None:
        here = ask("target", timeout_seconds=TARGET_SECONDS)
        self.target = Target(**here["target"])
        self._flags: list[str] = here["flags"]
        self._cache = cache
        self._precision = precision
        self._timeout_seconds = timeout_seconds

    def engine(self, network: Network) -> Result:
        """Give a network's engine, or why there is none; the plan lies in the cache."""
        ingredients = self._made_of(network)
        key = key_of(ingredients)
        try:
            _require_name(network, self.target)
            if manifest := self._cache.find(key):
                return Result(network, manifest, from_cache=True)
            with self._cache.building(key, timeout_seconds=self._timeout_seconds):
                if manifest := self._cache.find(key):  # another machine's, meanwhile
                    return Result(network, manifest, from_cache=True)
                return Result(network, self._build(network, key, ingredients))
        except EngineUnfit as error:
            return Result(network, Manifest(network.model, "failed", key, ingredients, reason=str(error)))

    def plan(self, result: Result) -> Path:
        """Where the plan of a result lies."""
        return self._cache.plan(result.manifest.key)

    def _made_of(self, network: Network) -> dict[str, Any]:
        return made_of(
            digest_of(network.graph),
            self.target,
            precision=self._precision,
            profile=network.profile(),
            level=LEVEL,
            flags=self._flags,
        )

    def _build(self, network: Network, key: str, ingredients: dict[str, Any]) -> Manifest:
        timings = self._cache.timings(self.target)
        with self._cache.workshop() as folder:
            order = Order(
                model=network.model,
                graph=str(network.graph.resolve()),
                precision=self._precision,
                profile=network.profile(),
                timing_cache=str(timings.resolve()),
                plan=str((folder / PLAN).resolve()),
            )
            report = ask("build", asdict(order), timeout_seconds=self._timeout_seconds)
            if beyond := parity.faults(report["parity"]):
                raise EngineUnfit(f"it differs from ONNX Runtime: {'; '.join(beyond)}")
            manifest = Manifest(
                network.model,
                "built",
                key,
                ingredients,
                plan_sha256=digest_of(folder / PLAN),
                plan_bytes=(folder / PLAN).stat().st_size,
                timing_cache_sha256=digest_of(folder / TIMING_CACHE),
                built_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
                **report,
            )
            self._cache.keep(folder, manifest, timings)
        return manifest


def _require_name(network: Network, target: Target) -> None:
    """Refuse a GPU that the GPU variant has no name for: Triton would not find its plan."""
    if network.gpu_config.exists():
        names = read_config(network.gpu_config).cc_model_filenames
        if names.get(target.compute_capability) != target.plan:
            raise EngineUnfit(
                f"configs/gpu.pbtxt names no {target.plan} for compute capability {target.compute_capability}"
            )


def build(
    models: Sequence[str],
    *,
    repository: Path,
    cache: Path,
    output: Path | None,
    precision: parity.Precision,
    server_tensorrt: str,
    timeout_seconds: float,
    as_json: bool,
) -> int:
    """Build and install; 0 when every network has its engine, 1 when one is left to the CPU variant."""
    networks_of(repository, models)  # refuses a wrong name before a GPU is looked for
    builder = Builder(EngineCache(cache), precision=precision, timeout_seconds=timeout_seconds)
    _require_version(builder.target.tensorrt, server_tensorrt)
    served = copied(repository, output) if output else repository
    results = []
    for network in networks_of(served, models):
        result = builder.engine(network)
        if result.manifest.outcome == "built":
            install(network, builder.target, builder.plan(result), result.manifest)
        else:
            fall_back(network, builder.target, result.manifest, drop_config=output is not None)
            logger.error("%s is left to its CPU variant: %s", network.model, result.manifest.reason)
        results.append(result)
    _print(results, as_json=as_json)
    return FELL_BACK if any(result.manifest.outcome == "failed" for result in results) else 0


def _require_version(here: str, server: str) -> None:
    """Refuse to build plans that the server cannot load: one is good for one version of TensorRT."""
    if server and here.split(".")[:3] != server.split(".")[:3]:
        raise EngineUnfit(f"Python's TensorRT is {here}, the server's {server}: install the server's version")


def _print(results: Sequence[Result], *, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(
                [{**asdict(each.manifest), "from_cache": each.from_cache} for each in results], indent=2
            )
        )
        return
    table = Table("Network", "Engine", "Seconds", "Differences from ONNX Runtime")
    for network, manifest, from_cache in ((each.network, each.manifest, each.from_cache) for each in results):
        if manifest.outcome == "failed":
            table.add_row(network.model, "[red]failed: left to the CPU[/red]", "", escape(manifest.reason))
        else:
            how = "from the cache" if from_cache else "built"
            table.add_row(network.model, how, f"{manifest.build_seconds:.0f}", _differences(manifest))
    Console().print(table)


def _differences(manifest: Manifest) -> str:
    return ", ".join(f"{name} {entry['value']:.2g}" for name, entry in manifest.parity["task"].items())
