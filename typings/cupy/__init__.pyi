# The names of CuPy 13 that RadGate uses.
from typing import Any

import numpy as np

from . import cuda as cuda

class ndarray:
    data: cuda.MemoryPointer
    shape: tuple[int, ...]
    def __getitem__(self, key: slice) -> ndarray: ...
    def set(self, arr: np.ndarray, stream: cuda.Stream | None = None) -> None: ...
    def get(self, stream: cuda.Stream | None = None, *, out: np.ndarray | None = None) -> Any: ...

def zeros(shape: tuple[int, ...], dtype: Any = ...) -> ndarray: ...
