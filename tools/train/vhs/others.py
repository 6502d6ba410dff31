"""Real pictures that are no lateral canine thorax, where a folder of them is at hand."""

import zipfile
from pathlib import Path

import cv2
import numpy as np

from tools.train.vhs.layout import EDGES, OUTLINE, POINTS
from tools.train.vhs.pool import POOL_SIDE, Pool, fitted

_EVERY_THUMBNAIL = 20
"""One thumbnail in so many is read: they are alike, and small."""


def real_negatives(folder: Path) -> Pool:
    """Read the NIH chest films below `nih/` and a share of the thumbnails of `mednist/mednist_subset.zip`.

    Parameters
    ----------
    folder
        What is not there is left out.
    """
    pictures = [_decode(path.read_bytes()) for path in sorted((folder / "nih").glob("*.jpg"))]
    archive = folder / "mednist" / "mednist_subset.zip"
    if archive.exists():
        with zipfile.ZipFile(archive) as source:
            names = sorted(name for name in source.namelist() if name.endswith(".jpeg"))
            pictures += [_decode(source.read(name)) for name in names[::_EVERY_THUMBNAIL]]
    pixels = np.zeros((len(pictures), POOL_SIDE, POOL_SIDE), np.uint8)
    sizes = np.zeros((len(pictures), 2), np.int64)
    for index, picture in enumerate(map(fitted, pictures)):
        pixels[index, : picture.shape[0], : picture.shape[1]] = picture
        sizes[index] = picture.shape[::-1]
    nowhere = np.full((len(pictures), POINTS + EDGES + OUTLINE, 2), np.nan, np.float32)
    return Pool(pixels, sizes, nowhere[:, :POINTS], nowhere[:, POINTS:])


def _decode(data: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE))
