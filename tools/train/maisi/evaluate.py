"""Measure the written graphs on anatomy that no training drew: HU per organ, and pictures of agreement."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from gateway.imaging.maisi.labels import BODY, BY_INDEX
from gateway.imaging.maisi.quality import Quality, organ_quality
from gateway.imaging.maisi.steps import Decoder, Sampler
from gateway.triton.networks.onnx_runtime import OnnxRuntimeNetwork
from tools.phantoms.volume_sheet import volume_sheet
from tools.train.maisi.volumes import HELD_OUT, REGIONS, Volume, draw

AIR_HU = -1000
LEAST_VOXELS = 200
"""Of a structure that is compared."""
SHEET_VOLUMES = 4
SHEET_ROW_PX = 220


class Graphs:
    """One variant, run as the models `maisi_latent` and `maisi_decode` run it."""

    def __init__(self, repository: Path) -> None:
        latent, decode = repository / "maisi_latent" / "1", repository / "maisi_decode" / "1"
        hint, velocity, decoder = (
            OnnxRuntimeNetwork(path, cpu=True)
            for path in (latent / "hint.onnx", latent / "velocity.onnx", decode / "decoder.onnx")
        )
        self._sampler = Sampler.of(_variant(latent), hint=hint.run, velocity=velocity.run, truncated=False)
        self._decoder = Decoder.of(_variant(decode), image=decoder.run)

    def image_of(self, labels: np.ndarray, spacing_mm: Sequence[float], seed: int) -> np.ndarray:
        """Generate the image of a label map, int16 [x, y, z] in HU."""
        own_steps = np.zeros(1, np.int32)
        *_, sampled = self._sampler.parts(
            labels, np.array(spacing_mm, np.float32), np.array([seed]), own_steps
        )
        slabs = [part["image_hu"] for part in self._decoder.parts(sampled["latent"])]
        image_hu: np.ndarray = np.concatenate([slab for slab in slabs if slab.size], axis=2)
        image_hu[labels == 0] = AIR_HU
        return image_hu


def _variant(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "variant.json").read_text())
    return document


class Judged(NamedTuple):
    """One generated volume beside the CT that was drawn of the same labels."""

    volume: Volume
    image_hu: np.ndarray
    quality: Quality
    errors_hu: dict[str, float]
    """Of each structure's median."""


def held_out(seed: int, number: int) -> Volume:
    """Draw a volume that no training sees; its region follows from its number."""
    return draw(np.random.default_rng([seed, HELD_OUT, number]), REGIONS[number % len(REGIONS)])


def judge(graphs: Graphs, seed: int, number: int) -> Judged:
    """Generate one held-out volume and compare it with the drawn one."""
    volume = held_out(seed, number)
    image_hu = graphs.image_of(volume.labels, volume.spacing_mm, seed + number)
    errors = {
        BY_INDEX[index].name: float(np.median(image_hu[inside]) - np.median(volume.image_hu[inside]))
        for index, inside in structures(volume.labels)
    }
    return Judged(volume, image_hu, organ_quality(image_hu, volume.labels), errors)


def structures(labels: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each structure's index and where it is, bool [x, y, z]; small ones are left out."""
    for index, voxels in enumerate(np.bincount(labels.ravel(), minlength=256)):
        if index not in (0, BODY) and voxels >= LEAST_VOXELS:
            yield index, labels == index


def figures(repository: Path, seed: int, count: int, sheet: Path | None = None) -> dict[str, Any]:
    """Measure as many held-out volumes, of all body regions in turn.

    Parameters
    ----------
    sheet
        Where to draw the first few of them; None: nowhere.
    """
    graphs = Graphs(repository)
    errors: dict[str, list[float]] = {}
    outcomes, rows = [], []
    for number in range(count):
        judged = judge(graphs, seed, number)
        for name, error in judged.errors_hu.items():
            errors.setdefault(name, []).append(error)
        spacing = [round(mm, 2) for mm in judged.volume.spacing_mm]
        outcomes.append(
            {
                "regions": REGIONS[number % len(REGIONS)],
                "output_size": judged.volume.labels.shape,
                "spacing_mm": spacing,
                "passed": judged.quality.passed,
                "median_hu": {each.group: each.median_hu for each in judged.quality.groups},
            }
        )
        if number < SHEET_VOLUMES:
            rows.append(_sheet(judged))
    if sheet:
        cv2.imwrite(str(sheet), _stacked(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return {
        "passed": sum(each["passed"] for each in outcomes),
        "count": count,
        "median_error_hu": {
            name: round(float(np.median(np.abs(each))), 1) for name, each in sorted(errors.items())
        },
        "volumes": outcomes,
    }


def _sheet(judged: Judged) -> np.ndarray:
    """Draw the generated volume, its labels over it, and below the CT that was drawn of them."""
    volume = judged.volume
    generated, drawn = (
        volume_sheet(image, volume.labels, volume.spacing_mm, height_px=SHEET_ROW_PX)
        for image in (judged.image_hu, volume.image_hu)
    )
    return np.vstack([generated, drawn[: len(drawn) // 2]])


def _stacked(rows: Sequence[np.ndarray]) -> np.ndarray:
    width = max(row.shape[1] for row in rows)
    return np.vstack([np.pad(row, ((0, 8), (0, width - row.shape[1]), (0, 0))) for row in rows])
