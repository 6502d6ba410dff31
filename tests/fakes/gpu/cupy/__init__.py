"""A CuPy whose GPU is a table of arrays: what is queued on a stream happens when the stream is waited for.

So whoever reads before `synchronize`, writes over what is still to be copied, or gives an address that was
never allocated, gets what a GPU would give: wrong values, or an error.
"""

import numpy as np

from . import cuda
from .cuda import memory


class ndarray:
    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.data = cuda.MemoryPointer(array.ctypes.data)

    @property
    def shape(self):
        return self._array.shape

    def __getitem__(self, key: slice) -> "ndarray":
        return ndarray(self._array[key])

    def set(self, arr: np.ndarray, stream=None) -> None:
        if arr.shape != self._array.shape or arr.dtype != self._array.dtype:
            raise ValueError(
                f"shape mismatch: {arr.shape} {arr.dtype}, {self._array.shape} {self._array.dtype}"
            )
        stream._queue(lambda: np.copyto(self._array, arr))

    def get(self, stream=None, *, out=None):
        if out.shape != self._array.shape or out.dtype != self._array.dtype:
            raise ValueError("shape or dtype mismatch")
        stream._queue(lambda: np.copyto(out, self._array))


def zeros(shape, dtype=float) -> ndarray:
    array = np.zeros(shape, dtype)
    memory.allocate(array)
    return ndarray(array)
