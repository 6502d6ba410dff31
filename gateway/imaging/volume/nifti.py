"""NIfTI-1 files, written slice by slice: a volume need not be in memory."""

import contextlib
from typing import IO, Any

import nibabel
import numpy as np

from gateway.imaging.volume.geometry import Geometry, chunks
from gateway.imaging.volume.gzipped import gzipped

_VOXELS_AT = 352  # the header of 348 bytes, and four that say that no extension follows


def write_nifti(
    target: IO[bytes],
    voxels: np.ndarray,
    geometry: Geometry,
    *,
    dtype: np.dtype,
    compressed: bool,
    description: str = "",
) -> None:
    """Write `.nii`, or compressed `.nii.gz`; equal volumes give equal bytes.

    Parameters
    ----------
    voxels
        (x, y, z), whatever can be sliced along z, a memory map too.
    dtype
        Of the file.
    description
        At most 79 ASCII characters.
    """
    stream: contextlib.AbstractContextManager[Any]
    stream = gzipped(target) if compressed else contextlib.nullcontext(target)
    with stream as file:
        file.write(_header(geometry, dtype, description).binaryblock)
        file.write(bytes(4))
        for chunk in chunks(voxels, dtype):
            file.write(chunk)


def _header(geometry: Geometry, dtype: np.dtype, description: str) -> Any:
    header = nibabel.Nifti1Header(endianness="<")
    header.set_data_shape(geometry.size)
    header.set_data_dtype(dtype)
    header.set_qform(geometry.affine_ras, code="scanner")
    header.set_sform(geometry.affine_ras, code="scanner")
    header.set_xyzt_units("mm")
    header.set_slope_inter(1, 0)
    header["vox_offset"] = _VOXELS_AT
    header["descrip"] = description
    return header
