"""`radgate bench pop`: photos of screens through `/v3/corners`, `/v3/preprocess` and `/v3/predict`.

Beside `/v3/corners` a direct gRPC client asks the `screen` ensemble about the same photos, in turns, because
machines drift. One call at a time: that is how a phone asks.
"""

import asyncio
import base64
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
import simplejpeg
from rich.console import Console
from rich.table import Table
from tritonclient.grpc.aio import InferenceServerClient, InferInput

from tools.bench.instance import api_key, running_instance
from tools.phantoms.canine_thorax import canine_thorax
from tools.phantoms.screen_photo import screen_photo

SIZES = {4 / 3: (4000, 3000), 3 / 4: (3000, 4000)}
"""Width and height of the photos of a phone's main camera, by their aspect."""
DRAWN_PX = 2000
"""Longer side at which a photo is drawn before it is enlarged: a camera's own sharpness is no more."""
JPEG_QUALITY = 90
SEED = 20_261_129
BAR_MS = 120.0
CORNERS, PREPROCESS, PREDICT, DIRECT = "/v3/corners", "/v3/preprocess", "/v3/predict", "direct gRPC client"

Call = Callable[[int], Awaitable[bool]]
"""Sends the photo of a number; tells whether a screen was found."""


def bench(*, count: int, rounds: int, as_json: bool) -> int:
    """Run the benchmark and print its figures; 0 where the corners' median keeps its bar."""
    photos = drawn_photos(count)
    with tempfile.TemporaryDirectory(prefix="radgate-bench-") as folder:
        report = asyncio.run(_bench(photos, Path(folder), rounds))
    print(json.dumps(report, indent=2)) if as_json else _print(report)
    return 0 if report["milliseconds"][CORNERS]["median"] <= BAR_MS else 1


def drawn_photos(count: int) -> list[bytes]:
    """Draw photos of screens as a phone's files, JPEG of 12 megapixels."""
    rng = np.random.default_rng(SEED)
    return [_photo(rng) for _ in range(count)]


def _photo(rng: np.random.Generator) -> bytes:
    film = canine_thorax(rng, long_side_px=900)
    size = None
    while size is None:
        picture = screen_photo(rng, film, long_side_px=DRAWN_PX, turn=False).picture
        size = SIZES.get(picture.shape[1] / picture.shape[0])
    large = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    return bytes(simplejpeg.encode_jpeg(large, quality=JPEG_QUALITY, colorspace="BGR"))


async def _bench(photos: Sequence[bytes], folder: Path, rounds: int) -> dict[str, Any]:
    async with contextlib.AsyncExitStack() as stack:
        instance = await stack.enter_async_context(running_instance(folder / "instance"))
        headers = {"x-api-key": await api_key(instance), "Content-Type": "application/json"}
        session = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        triton = await stack.enter_async_context(InferenceServerClient(instance.triton_url))
        bodies = [json.dumps({"image": base64.b64encode(photo).decode()}).encode() for photo in photos]
        calls = {
            path: _posting(session, f"{instance.url}{path}", bodies)
            for path in (CORNERS, PREPROCESS, PREDICT)
        }
        calls[DIRECT] = _asking(triton, photos)
        milliseconds: dict[str, list[float]] = {name: [] for name in calls}
        found = 0
        for number in range(-1, rounds):
            for photo in range(len(photos)):
                for name, call in calls.items():
                    started = time.perf_counter()
                    answered = await call(photo)
                    if number >= 0:  # the first round warms caches and is not counted
                        milliseconds[name].append((time.perf_counter() - started) * 1000)
                        found += answered and name == CORNERS
    return {
        "photos": len(photos),
        "megabytes": statistics.mean(len(photo) for photo in photos) / 1e6,
        "rounds": rounds,
        "found": found / (len(photos) * rounds),
        "cores": os.cpu_count(),
        "bar_ms": BAR_MS,
        "milliseconds": {name: _spread(each) for name, each in milliseconds.items()},
        "networks": instance.networks,
    }


def _posting(session: aiohttp.ClientSession, url: str, bodies: Sequence[bytes]) -> Call:
    async def call(number: int) -> bool:
        async with session.post(url, data=bodies[number]) as response:
            answer = await response.json()
        if response.status not in (200, 422):
            raise RuntimeError(f"{response.status}: {answer}")
        return response.status == 200

    return call


def _asking(triton: InferenceServerClient, photos: Sequence[bytes]) -> Call:
    async def call(number: int) -> bool:
        data, quality = InferInput("image", [1, 1], "BYTES"), InferInput("quality", [1, 1], "BOOL")
        data.set_data_from_numpy(np.array([[photos[number]]], np.object_))
        quality.set_data_from_numpy(np.array([[False]]))
        answer = await triton.infer("screen", [data, quality])
        return json.loads(answer.as_numpy("screen")[0, 0])["corners"] is not None

    return call


def _spread(values: Sequence[float]) -> dict[str, float]:
    last = statistics.quantiles(values, n=20)[-1]
    return {"median": statistics.median(values), "p95": last, "min": min(values), "max": max(values)}


def _print(report: dict[str, Any]) -> None:
    console = Console()
    console.print(
        f"{report['photos']} photos of 12 megapixels ({report['megabytes']:.1f} MB each), {report['rounds']} "
        f"calls with each and side, {report['cores']} cores; corners found in {report['found']:.0%}"
    )
    table = Table("Milliseconds", "Median", "95th percentile", "Min", "Max", "Bar of the median")
    for name, each in report["milliseconds"].items():
        cells = (f"{each[key]:.0f}" for key in ("median", "p95", "min", "max"))
        table.add_row(name, *cells, f"{report['bar_ms']:.0f}" if name == CORNERS else "")
    networks = ", ".join(f"{model} on {runtime}" for model, runtime in sorted(report["networks"].items()))
    console.print(table, f"Networks: {networks or 'by Triton'}.")
