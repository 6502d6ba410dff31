"""DICOM's grey scale, stored values to 8 bits: modality LUT, padding, VOI, inversion (PS3.3 C.11, C.7.6.3).

`radiograph` says which steps a file's image goes through; the formulas are here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.imaging.dicom.attributes import little_endian, numbers, text

_LUMA = np.array([[0.299, 0.587, 0.114]], np.float32)  # ITU-R BT.601

Floats = NDArray[np.float64]
Transform = Callable[[Floats], Floats]

_FOR_PROCESSING = frozenset(
    f"1.2.840.10008.5.1.4.1.1.1.{kind}.1"
    for kind in (1, 2, 3)  # DX, mammography, intra-oral
)
_PERCENTILES = (0.5, 99.5)
_CLIPPED = 0.99
"""A window outside of which more than this share of the pixels lies is not used."""
_SAMPLE = 2**18
"""Statistics look at no fewer pixels than this, where there are as many."""


class Tones(NamedTuple):
    """How stored values become grey: two functions and what is to be said about them."""

    modality: Transform
    """Stored values to modality units."""
    voi: Transform
    """Modality units to [0, 1], before inversion."""
    inverted: bool
    padding: tuple[int, int] | None
    """Smallest and largest stored value of padding, drawn black."""
    notes: tuple[str, ...]

    def film(self, stored: NDArray[Any]) -> NDArray[np.uint8]:
        """Apply the formulas to stored values, any shape."""
        grey = self.voi(self.modality(stored.astype(np.float64)))
        grey = np.nan_to_num(1 - grey if self.inverted else grey)
        film: NDArray[np.uint8] = np.rint(255 * grey).astype(np.uint8)
        if self.padding:
            film[(stored >= self.padding[0]) & (stored <= self.padding[1])] = 0
        return film


def grey_film(stored: NDArray[Any], dataset: Dataset) -> tuple[NDArray[np.uint8], list[str]]:
    """Render stored grey values.

    Parameters
    ----------
    stored
        (rows, columns) integers.

    Returns
    -------
    uint8, (rows, columns), air dark, bone bright; and notes for the reader.
    """
    with np.errstate(all="ignore"):  # hostile slopes and windows overflow
        tones = tones_of(stored, dataset)
        return apply(tones, stored), list(tones.notes)


def apply(tones: Tones, stored: NDArray[Any]) -> NDArray[np.uint8]:
    """Look every stored value of up to 16 bits up in one table; compute the few others."""
    film = np.empty(stored.shape, np.uint8)
    blocks = range(0, len(stored), 64)  # their 64-bit indices stay in the cache
    if stored.dtype.itemsize > 2:
        for row in blocks:
            film[row : row + 64] = tones.film(stored[row : row + 64])
        return film
    unsigned = np.dtype(f"u{stored.dtype.itemsize}")
    table = tones.film(np.arange(2 ** (8 * unsigned.itemsize), dtype=unsigned).view(stored.dtype))
    index = np.ascontiguousarray(stored).view(unsigned)
    for row in blocks:
        np.take(table, index[row : row + 64], out=film[row : row + 64], mode="clip")
    return film


def luma(rgb: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Weigh RGB of that many bits to one uint8 grey, (rows, columns)."""
    grey = cv2.transform(np.ascontiguousarray(rgb, np.float32), _LUMA * np.float32(255 / (2**bits - 1)))
    return np.rint(grey).clip(0, 255).astype(np.uint8).reshape(rgb.shape[:2])


def tones_of(stored: NDArray[Any], dataset: Dataset) -> Tones:
    """Decide how stored values become grey."""
    notes: list[str] = []
    padding = _padding(dataset)
    modality, raw = _modality(dataset), _for_processing(dataset)
    inverted = _inverted(dataset, notes)
    if raw:
        notes.append("FOR PROCESSING image")
        if text(dataset, "PixelIntensityRelationship").strip().upper() == "LIN":
            modality, inverted = _logarithm(modality), _exposure_rises(dataset)
            notes.append("logarithm of linear detector values")
    sample = modality(_sample(stored, padding).astype(np.float64))
    voi = None if raw else _voi_lut(dataset, stored.dtype.kind == "i") or _window(dataset, sample, notes)
    if voi is None:
        low, high = np.percentile(sample, _PERCENTILES) if sample.size else (0.0, 1.0)
        voi = _linear_between(float(low), float(high))
        notes.append("percentile window used")
    return Tones(modality, voi, inverted, padding, tuple(notes))


def _sample(stored: NDArray[Any], padding: tuple[int, int] | None) -> NDArray[Any]:
    """Give every n-th pixel in both directions, without padding."""
    step = max(1, int((stored.size / _SAMPLE) ** 0.5))
    sample = stored[::step, ::step].ravel()
    return sample[(sample < padding[0]) | (sample > padding[1])] if padding else sample


def _padding(dataset: Dataset) -> tuple[int, int] | None:
    """Give the stored values that are padding, with the sign of Pixel Representation (C.7.5.1.1.2)."""
    ends = [numbers(dataset, keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if not ends[0]:
        return None
    bits = int(dataset.BitsAllocated)
    values = [int(end[0]) % 2**bits for end in ends if end]
    if dataset.PixelRepresentation == 1:
        values = [value - 2**bits if value >= 2 ** (bits - 1) else value for value in values]
    return min(values), max(values)


def _inverted(dataset: Dataset, notes: list[str]) -> bool:
    """Tell whether the smallest value is white: Photometric Interpretation decides, alone and once.

    PresentationLUTShape says the same again, and where it says otherwise it is known to be wrong.
    """
    inverted = str(dataset.PhotometricInterpretation) == "MONOCHROME1"
    shape = text(dataset, "PresentationLUTShape").strip().upper()
    if inverted:
        notes.append("MONOCHROME1 inverted")
    if shape in ("INVERSE", "IDENTITY") and inverted != (shape == "INVERSE"):
        notes.append(f"PresentationLUTShape {shape} ignored: PhotometricInterpretation decides")
    return inverted


def _for_processing(dataset: Dataset) -> bool:
    intent = text(dataset, "PresentationIntentType").strip().upper()
    return intent == "FOR PROCESSING" or text(dataset, "SOPClassUID") in _FOR_PROCESSING


def _exposure_rises(dataset: Dataset) -> bool:
    """Tell whether larger values mean more exposure, so that bone is low (C.8.11.3.1.2)."""
    return numbers(dataset, "PixelIntensityRelationshipSign") != [-1.0]


def _logarithm(modality: Transform) -> Transform:
    return lambda stored: np.log(np.maximum(modality(stored), 1.0))


def _modality(dataset: Dataset) -> Transform:
    """Give the Modality LUT, else Rescale Slope and Intercept, else nothing (C.11.1)."""
    table = _lookup(dataset, "ModalityLUTSequence", dataset.PixelRepresentation == 1)
    if table:
        return lambda stored: table.entries[
            (stored - table.first).clip(0, len(table.entries) - 1).astype(np.intp)
        ]
    slope = (numbers(dataset, "RescaleSlope") or [1.0])[0] or 1.0
    intercept = (numbers(dataset, "RescaleIntercept") or [0.0])[0]
    return lambda stored: stored * slope + intercept


class _Lookup(NamedTuple):
    entries: Floats
    first: int
    top: float


def _lookup(dataset: Dataset, sequence: str, signed: bool) -> _Lookup | None:
    """Read the first table of a LUT sequence, LUT Data as US or as OW (C.11.1.1.1)."""
    items = dataset.get(sequence)
    if not items:
        return None
    descriptor, data = numbers(items[0], "LUTDescriptor"), numbers(items[0], "LUTData")
    if len(descriptor) != 3 or not data:
        return None
    count, first, bits = (int(value) for value in descriptor)
    count = count or 65536  # PS3.3 C.11.1.1: 0 means 2**16
    if not 1 <= bits <= 16:
        bits = 16
    words = np.array(data, np.float64)
    if 2 * len(words) <= count + 1 and bits <= 8:  # two 8-bit entries to a word
        words = words.astype("<u2" if little_endian(dataset) else ">u2").view(np.uint8).astype(np.float64)
    return _Lookup(words[:count], first - 65536 if signed and first >= 32768 else first, 2.0**bits - 1)


def _voi_lut(dataset: Dataset, signed: bool) -> Transform | None:
    """Give the first VOI LUT (C.11.2.1.1); it goes before a window."""
    signed = signed or (numbers(dataset, "RescaleIntercept") or [0.0])[0] < 0
    table = _lookup(dataset, "VOILUTSequence", signed)
    if table is None:
        return None
    scale = max(table.top, float(table.entries.max()))

    def voi(values: Floats) -> Floats:
        index = np.rint(values - table.first).clip(0, len(table.entries) - 1).astype(np.intp)
        grey: Floats = table.entries[index] / scale
        return grey

    return voi


def _window(dataset: Dataset, sample: Floats, notes: list[str]) -> Transform | None:
    """Give the first window (C.11.2.1.2, C.11.2.1.3), unless it is void or shows next to nothing."""
    centers, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    if not centers or not widths:
        return None
    function = text(dataset, "VOILUTFunction").strip().upper() or "LINEAR"
    center, width = centers[0], widths[0]
    if width <= 0 or (function == "LINEAR" and width < 1):
        notes.append("window ignored: its width is not positive")
        return None
    if sample.size and np.mean(np.abs(sample - center) > width / 2) > _CLIPPED:
        notes.append("window ignored: it shows next to none of the pixels")
        return None
    return window(function, center, width)


def window(function: str, center: float, width: float) -> Transform:
    """Give the window as a function to [0, 1]; an unknown VOI LUT Function is taken as LINEAR."""
    if function == "SIGMOID":
        return lambda x: 1 / (1 + np.exp((-4 * (x - center) / width).clip(-700, 700)))
    if function == "LINEAR_EXACT":
        return lambda x: ((x - center) / width + 0.5).clip(0, 1)
    if width == 1:
        return lambda x: (x > center - 0.5).astype(np.float64)
    return lambda x: ((x - (center - 0.5)) / (width - 1) + 0.5).clip(0, 1)


def _linear_between(low: float, high: float) -> Transform:
    return lambda x: ((x - low) / (high - low) if high > low else x - low).clip(0, 1)
