from typing import Any

import numpy as np

def empty_pinned(shape: tuple[int, ...], dtype: Any = ...) -> np.ndarray: ...
