"""The files of one volume, written from its raw voxels slice by slice; blocking, for threads."""

import json
import zipfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np

from gateway.apis.maisi.folders import SampleFolder
from gateway.apis.maisi.schema import Run
from gateway.imaging.maisi.labels import BODY, BY_INDEX, LABELS, Label
from gateway.imaging.maisi.segments import segment_of
from gateway.imaging.results import Model, Stamp, encoded
from gateway.imaging.volume import Geometry, write_nifti, write_nrrd
from gateway.imaging.volume.ct_series import SyntheticCT, ct_slices, enhanced_ct
from gateway.imaging.volume.label_segmentation import label_segmentation

Layout = Literal["series", "single"]
COPY_BYTES = 2**20
_COMPRESSED = (".nii.gz", ".nrrd")
_BODY_PARTS = {
    frozenset({"head"}): "HEAD",
    frozenset({"chest"}): "CHEST",
    frozenset({"abdomen"}): "ABDOMEN",
    frozenset({"pelvis"}): "PELVIS",
    frozenset({"chest", "abdomen"}): "CHESTABDOMEN",
    frozenset({"abdomen", "pelvis"}): "ABDOMENPELVIS",
    frozenset({"chest", "abdomen", "pelvis"}): "CHESTABDPELVIS",
}
"""DICOM CID 4."""
_SAME_REGION = {"thorax": "chest", "lower": "pelvis"}


class Sample(NamedTuple):
    """One volume that was made, and how it is to be written."""

    run: Run
    name: str
    seed: int
    model: Model
    quality: dict[str, Any]
    stamp: Stamp
    voxel_type: Literal["int16", "float32"]
    dcm_layout: Layout

    @property
    def geometry(self) -> Geometry:
        """Where its voxels are."""
        x, y, z = self.run.output_size
        dx, dy, dz = self.run.spacing
        return Geometry((x, y, z), (dx, dy, dz))

    @property
    def description(self) -> str:
        """How it came to be."""
        return f"SYNTHETIC CT: {self.model.name} {self.model.version}, seed {self.seed}"

    def ct(self) -> SyntheticCT:
        """Give what its DICOM objects say."""
        regions = {_SAME_REGION.get(each, each) for each in self.run.body_region}
        part = "" if self.run.controllable_anatomy_size else _BODY_PARTS.get(frozenset(regions), "")
        return SyntheticCT(self.geometry, self.model, self.stamp, self.description, part or "WHOLEBODY")


class Renumbered:
    """Labels under other values, renumbered as they are read."""

    def __init__(self, labels: np.ndarray, values: np.ndarray) -> None:
        self._labels = labels
        self._values = values
        self.shape = labels.shape

    def __getitem__(self, key: Any) -> np.ndarray:
        renumbered: np.ndarray = self._values[self._labels[key]]
        return renumbered


def write_files(folder: SampleFolder, sample: Sample) -> None:
    """Write image, label file and, if asked for, what the labels mean."""
    shape = sample.geometry.size
    image = np.memmap(folder.raw_image, np.int16, "r", shape=shape, order="F")
    labels = np.memmap(folder.raw_labels, np.uint8, "r", shape=shape, order="F")
    _write_image(folder.files, image, sample)
    segments = _segments(labels, sample.run)
    values = np.zeros(256, np.uint8)
    for value, label in segments.items():
        values[label.index] = value
    if sample.run.label_output_ext == ".dcm":
        _write_segmentation(folder.files, labels, list(segments.values()), sample)
    else:
        given = Renumbered(labels, values) if sample.run.label_values == "positional" else labels
        dtype = np.dtype("float32" if sample.voxel_type == "float32" else "uint8")
        _write_volume(folder.files, given, f"label{sample.run.label_output_ext}", dtype, sample)
    if sample.run.sidecar:
        document = sidecar(sample, {value: label.name for value, label in segments.items()})
        (folder.files / f"{sample.name}.json").write_text(json.dumps(document, indent=1))


def write_archive(target: Path, files: Sequence[Path], at: datetime) -> None:
    """Write a ZIP of files, and of folders of files; equal files give equal bytes."""
    draft = target.with_name(f".{target.name}")
    with zipfile.ZipFile(draft, "w") as archive:
        for file in files:
            for each in sorted(file.iterdir()) if file.is_dir() else [file]:
                _add(archive, each, each.relative_to(file.parent), at)
    draft.replace(target)


def sidecar(sample: Sample, labels: dict[int, str]) -> dict[str, Any]:
    """Say what a volume is: where it comes from, and what its labels mean."""
    return {
        "synthetic": True,
        "seed": sample.seed,
        "model": sample.model._asdict(),
        "output_size": sample.run.output_size,
        "spacing_mm": sample.run.spacing,
        "label_values": sample.run.label_values,
        "labels": {name: value for value, name in labels.items()},
        "quality": sample.quality,
    }


def _segments(labels: np.ndarray, run: Run) -> dict[int, Label]:
    """Give what each value of the label file means.

    By the contract that is the place in the list that was asked for; natively, the label's own index. A name
    that stands in the list twice has its last place, as in the original.
    """
    if run.label_values == "positional":
        return {place: LABELS[name] for place, name in enumerate(run.anatomy, 1)}
    found = np.zeros(256, bool)
    for z in range(labels.shape[2]):
        found[np.unique(labels[:, :, z])] = True
    return {int(index): BY_INDEX[int(index)] for index in np.flatnonzero(found) if int(index) in BY_INDEX}


def _write_image(folder: Path, image: np.ndarray, sample: Sample) -> None:
    if sample.run.image_output_ext != ".dcm":
        dtype = np.dtype(sample.voxel_type)
        _write_volume(folder, image, f"image{sample.run.image_output_ext}", dtype, sample)
    elif sample.dcm_layout == "single":
        (folder / f"{sample.name}_image.dcm").write_bytes(encoded(enhanced_ct(image, sample.ct())))
    else:
        series = folder / f"{sample.name}_image"
        series.mkdir()
        for number, each in enumerate(ct_slices(image, sample.ct()), 1):
            (series / f"IM{number:04}.dcm").write_bytes(encoded(each))


def _write_volume(folder: Path, voxels: Any, ending: str, dtype: np.dtype, sample: Sample) -> None:
    target: IO[bytes]
    with (folder / f"{sample.name}_{ending}").open("wb") as target:
        options: dict[str, Any] = {"dtype": dtype, "description": sample.description[:79]}
        if ending.endswith(".nrrd"):
            write_nrrd(target, voxels, sample.geometry, **options)
        else:
            write_nifti(target, voxels, sample.geometry, compressed=ending.endswith(".gz"), **options)


def _write_segmentation(folder: Path, labels: np.ndarray, meant: list[Label], sample: Sample) -> None:
    """Write a SEG; the body as a whole, of which no code speaks, is left out of it."""
    meant = [each for each in meant if each.index != BODY]
    values = np.zeros(256, np.uint8)
    for number, label in enumerate(meant, 1):
        values[label.index] = number
    result = label_segmentation(values[labels], [segment_of(each) for each in meant], sample.ct())
    (folder / f"{sample.name}_label.dcm").write_bytes(encoded(result))


def _add(archive: zipfile.ZipFile, file: Path, name: Path, at: datetime) -> None:
    info = zipfile.ZipInfo(name.as_posix(), at.timetuple()[:6])
    info.compress_type = zipfile.ZIP_STORED if file.name.endswith(_COMPRESSED) else zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    info.file_size = file.stat().st_size  # tells zipfile whether it needs ZIP64
    info._compresslevel = 1  # type: ignore[attr-defined]
    with archive.open(info, "w") as target, file.open("rb") as source:
        while chunk := source.read(COPY_BYTES):
            target.write(chunk)
