"""The device's memory: what was allocated, by address."""

import ctypes

import numpy as np

ARRAYS = {}
STREAMS = {}


def allocate(array: np.ndarray) -> None:
    ARRAYS[array.ctypes.data] = array  # kept: an address is never given twice


def view(ptr: int, shape, dtype) -> np.ndarray:
    """See `shape` values at an address, if that much was allocated there."""
    from .runtime import CUDARuntimeError

    needed = int(np.prod(shape)) * np.dtype(dtype).itemsize
    for start, array in ARRAYS.items():
        if start <= ptr and ptr + needed <= start + array.nbytes:
            data = (ctypes.c_byte * needed).from_address(ptr)
            return np.frombuffer(data, dtype).reshape(shape)
    raise CUDARuntimeError("cudaErrorIllegalAddress: an illegal memory access was encountered")
