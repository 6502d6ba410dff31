"""NIfTI-1 files: reading label maps, and writing volumes slice by slice, which need not be in memory."""

import contextlib
import gzip
from typing import IO, Any

import nibabel
import numpy as np

from gateway.imaging.volume.geometry import Geometry, chunks
from gateway.imaging.volume.gzipped import gzipped

_GZIP = b"\x1f\x8b"
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


def read_labels(content: bytes) -> np.ndarray:
    """Read the bytes of a label map, compressed or not: uint8 [x, y, z] in RAS+ axes."""
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(content) if content[:2] == _GZIP else content)
    return np.squeeze(np.asarray(nibabel.as_closest_canonical(image).dataobj)).astype(np.uint8)


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
