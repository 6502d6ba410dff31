"""NRRD files, written slice by slice; pynrrd would want the volume in memory, and writes the time."""

from collections.abc import Iterable
from typing import IO

import numpy as np

from gateway.imaging.volume.geometry import Geometry, chunks
from gateway.imaging.volume.gzipped import gzipped

_TYPES = {"int16": "int16", "uint8": "uint8", "float32": "float"}


def write_nrrd(
    target: IO[bytes], voxels: np.ndarray, geometry: Geometry, *, dtype: np.dtype, description: str = ""
) -> None:
    """Write a `.nrrd` with gzip inside; equal volumes give equal bytes. Parameters as of `write_nifti`.

    References
    ----------
    https://teem.sourceforge.net/nrrd/format.html
    """
    target.write(_header(geometry, dtype, description).encode("ascii"))
    with gzipped(target) as file:
        for chunk in chunks(voxels, dtype):
            file.write(chunk)


def _header(geometry: Geometry, dtype: np.dtype, description: str) -> str:
    fields = {
        "content": description,
        "type": _TYPES[dtype.name],
        "dimension": "3",
        "space": "left-posterior-superior",
        "sizes": " ".join(map(str, geometry.size)),
        "space directions": " ".join(map(_vector, geometry.directions_lps)),
        "kinds": "domain domain domain",
        "endian": "little",
        "encoding": "gzip",
        "space units": '"mm" "mm" "mm"',
        "space origin": _vector(geometry.origin_lps_mm),
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if value]
    return "\n".join(["NRRD0005", *lines, "", ""])


def _vector(values: Iterable[float]) -> str:
    return f"({','.join(repr(float(value)) for value in values)})"
