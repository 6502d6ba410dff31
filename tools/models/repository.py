"""A repository's networks, and a copy of the repository for one machine to serve."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from gateway.triton.networks.engine import Manifest, Target, manifest_of
from tools.models.tensorrt_build import Profile

GRAPH = "model.onnx"
TYPICAL_BATCH = 4
"""Films that the gateway has in Triton at a time, unless told otherwise."""


class NoSuchNetwork(OSError):
    """The repository has no network of that name."""


@dataclass(frozen=True)
class Network:
    """One version of a model that is a network."""

    model: str
    version: Path
    """Folder of the graph and its plans."""

    @property
    def graph(self) -> Path:
        """The ONNX graph."""
        return self.version / GRAPH

    @property
    def gpu_config(self) -> Path:
        """What Triton reads with `--model-config-name=gpu`, where it is there."""
        return self.version.parent / "configs" / "gpu.pbtxt"

    def plan(self, target: Target) -> Path:
        """Where the plan for a target belongs."""
        return self.version / target.plan

    def manifest(self, target: Target) -> Path:
        """Where the manifest of that plan belongs."""
        return manifest_of(self.plan(target))

    def profile(self) -> Profile:
        """Give each input's least, typical and largest shape."""
        config = read_config(self.version.parent / "config.pbtxt")
        batches = (1, min(TYPICAL_BATCH, config.max_batch_size), config.max_batch_size)
        return {tensor.name: [[batch, *tensor.dims] for batch in batches] for tensor in config.input}


def read_config(path: Path) -> model_config_pb2.ModelConfig:
    """Read a `config.pbtxt`, or a variant of one."""
    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


def networks_of(repository: Path, models: Sequence[str] = ()) -> list[Network]:
    """List the networks of a repository, of these models or all.

    Raises
    ------
    NoSuchNetwork
        One of the models is not there, or no network.
    """
    graphs = sorted(repository.glob(f"*/[1-9]*/{GRAPH}"))
    found = [Network(graph.parts[-3], graph.parent) for graph in graphs]
    if not found:
        raise NoSuchNetwork(f"{repository} has no network: no model/1/{GRAPH}")
    if strangers := set(models) - {network.model for network in found}:
        raise NoSuchNetwork(f"{repository} has no network {', '.join(sorted(strangers))}")
    return [network for network in found if not models or network.model in models]


def copied(repository: Path, output: Path) -> Path:
    """Copy a repository for one machine, without engines; what is there is replaced."""
    shutil.copytree(
        repository,
        output,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("*.plan", "*.plan.json", "__pycache__"),
    )
    return output


def install(network: Network, target: Target, plan: Path, manifest: Manifest) -> None:
    """Put a plan where Triton and `gateway.triton.networks` look for it, and its manifest beside it."""
    place = network.plan(target)
    with _beside(place) as temporary:
        try:
            os.link(plan, temporary)
        except OSError:  # the cache is another file system, as a shared volume is
            shutil.copyfile(plan, temporary)
    _write(network.manifest(target), manifest.written())


def fall_back(network: Network, target: Target, manifest: Manifest, *, drop_config: bool) -> None:
    """Leave the CPU variant to Triton, and say why in the manifest."""
    if drop_config:
        network.gpu_config.unlink(missing_ok=True)
    network.plan(target).unlink(missing_ok=True)
    _write(network.manifest(target), manifest.written())


def _write(path: Path, content: bytes) -> None:
    with _beside(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give the path of a file that takes the other's place when it is whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
