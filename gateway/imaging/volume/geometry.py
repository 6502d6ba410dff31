"""Where the voxels of a volume are."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

CHUNK_SLICES = 16
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


class Geometry(NamedTuple):
    """An axis-parallel grid of voxels; axes x, y, z point to the right, to the front and up (RAS).

    Parameters
    ----------
    size
        Voxels along x, y, z.
    spacing_mm
        Distance of voxels along x, y, z.
    origin_ras_mm
        Centre of the voxel [0, 0, 0].
    """

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_ras_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def affine_ras(self) -> np.ndarray:
        """Index to millimetres, RAS, float64 (4, 4)."""
        affine = np.diag([*self.spacing_mm, 1.0])
        affine[:3, 3] = self.origin_ras_mm
        return affine

    @property
    def directions_lps(self) -> np.ndarray:
        """Step along each axis in millimetres, LPS, float64 (3, 3), a row per axis."""
        directions: np.ndarray = np.diag(self.spacing_mm) @ _RAS_TO_LPS + 0.0  # no negative zeros
        return directions

    @property
    def origin_lps_mm(self) -> np.ndarray:
        """Centre of the voxel [0, 0, 0], LPS, float64 (3,)."""
        origin: np.ndarray = _RAS_TO_LPS @ np.array(self.origin_ras_mm) + 0.0
        return origin


def chunks(voxels: np.ndarray, dtype: np.dtype) -> Iterator[bytes]:
    """Give a volume [x, y, z] as bytes, x fastest, little endian, some slices at a time."""
    little = dtype.newbyteorder("<")
    for z in range(0, voxels.shape[2], CHUNK_SLICES):
        yield voxels[:, :, z : z + CHUNK_SLICES].astype(little).tobytes(order="F")
