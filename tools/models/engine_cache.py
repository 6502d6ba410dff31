"""The cache of engines, which many machines may share: one folder an engine, named by what it is made of."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.files.locks import try_flock
from gateway.triton.networks.engine import EngineUnfit, Manifest, Target, digest_of, read_manifest
from tools.models.worker import TIMING_CACHE

PLAN = "model.plan"
MANIFEST = "manifest.json"
PAUSE_SECONDS = 0.5


class EngineCache:
    """Engines by key, below one folder.

    Parameters
    ----------
    folder
        Made when needed. Machines may share it: one builds, the others wait and take what it built.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def plan(self, key: str) -> Path:
        """Where the plan of a key lies."""
        return self._folder / key / PLAN

    def find(self, key: str) -> Manifest | None:
        """Give the manifest of a key whose plan is there and whole."""
        try:
            manifest = read_manifest(self._folder / key / MANIFEST)
        except EngineUnfit:
            return None
        plan = self.plan(key)
        return manifest if plan.exists() and digest_of(plan) == manifest.plan_sha256 else None

    @contextlib.contextmanager
    def building(self, key: str, *, timeout_seconds: float) -> Iterator[None]:
        """Be the only one who builds a key, among all machines whose file system has locks.

        Raises
        ------
        EngineUnfit
            Another has been building it for longer than that.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._folder / f"{key}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + timeout_seconds
        try:
            # None: no locks here. Then two may build the same, and the second is let go.
            while try_flock(fd) is False:
                if time.monotonic() > deadline:
                    raise EngineUnfit(f"another process has been building it for {timeout_seconds:g} s")
                time.sleep(PAUSE_SECONDS)
            yield
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def workshop(self) -> Iterator[Path]:
        """Give an empty folder on the cache's file system, gone afterwards unless it was kept."""
        folder = Path(tempfile.mkdtemp(prefix=".building-", dir=self._folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, workshop: Path, manifest: Manifest, timings: Path) -> None:
        """Take a finished engine and what its build measured into the cache, each in one step."""
        timings.parent.mkdir(exist_ok=True)
        os.replace(workshop / TIMING_CACHE, timings)
        (workshop / MANIFEST).write_bytes(manifest.written())
        for name in (PLAN, MANIFEST):
            with (workshop / name).open("rb") as file:
                os.fsync(file.fileno())
        place = self._folder / manifest.key
        if self.find(manifest.key) is None:
            shutil.rmtree(place, ignore_errors=True)
            os.replace(workshop, place)

    def timings(self, target: Target) -> Path:
        """Name what builds for a GPU and TensorRT measured: tactics are chosen again only for what is new."""
        slug = re.sub(r"\W+", "-", f"{target.gpu}-{target.multiprocessors}sm").lower()
        return self._folder / "timing" / f"{slug}-cuda{target.cuda}-trt{target.tensorrt}.cache"


def key_of(made_of: dict[str, Any]) -> str:
    """Digest what an engine is made of."""
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def made_of(
    onnx_sha256: str, target: Target, *, precision: str, profile: dict[str, Any], level: int, flags: list[str]
) -> dict[str, Any]:
    """Gather all that an engine depends on."""
    return {
        "onnx_sha256": onnx_sha256,
        "target": asdict(target),
        "precision": precision,
        "profile": profile,
        "builder_level": level,
        "flags": flags,
    }
