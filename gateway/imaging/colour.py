"""Colour pixel data to RGB, and RGB to grey (PS3.3 C.7.6.3.1)."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.imaging.attributes import little_endian, numbers
from gateway.imaging.errors import ImageError

_LUMA = np.array([[0.299, 0.587, 0.114]], np.float32)  # ITU-R BT.601


def ybr_to_rgb(ybr: NDArray[Any], bits: int) -> NDArray[Any]:
    """Convert YBR_FULL to RGB (PS3.3 C.7.6.3.1.2)."""
    top, middle = 2**bits - 1, 2 ** (bits - 1)
    y, cb, cr = (ybr[..., channel].astype(np.float32) for channel in range(3))
    cb, cr = cb - middle, cr - middle
    rgb: NDArray[Any] = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    rounded: NDArray[Any] = np.rint(rgb.clip(0, top))
    return rounded.astype(ybr.dtype)


def palette_to_rgb(index: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """Look the colours up (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6); segmented palettes are not read."""
    channels = []
    for colour in ("Red", "Green", "Blue"):
        descriptor = numbers(dataset, f"{colour}PaletteColorLookupTableDescriptor")
        data = dataset.get(f"{colour}PaletteColorLookupTableData")
        if len(descriptor) != 3 or not isinstance(data, bytes):
            raise ImageError("the image refers to a colour palette that the DICOM file does not hold")
        entries, first, bits = (int(value) for value in descriptor)
        entries = entries or 65536
        first -= 65536 if index.dtype.kind == "i" and first >= 32768 else 0
        wide = len(data) >= 2 * entries
        table = np.frombuffer(data, ("<u2" if little_endian(dataset) else ">u2") if wide else "u1")
        table = table[:entries].astype(np.uint16 if bits > 8 and wide else np.uint8)
        if not table.size:
            raise ImageError("the colour palette of the DICOM file is empty")
        position = (index.astype(np.int64) - first).clip(0, table.size - 1)
        channels.append(table[position])
    if len({channel.dtype for channel in channels}) > 1:
        raise ImageError("the colour palette's channels have different depths")
    return np.stack(channels, axis=-1)


def luma(rgb: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Weigh RGB of that many bits to one uint8 grey, (rows, columns)."""
    grey = cv2.transform(np.ascontiguousarray(rgb, np.float32), _LUMA * np.float32(255 / (2**bits - 1)))
    return np.rint(grey).clip(0, 255).astype(np.uint8).reshape(rgb.shape[:2])
