import numpy as np


def empty_pinned(shape, dtype=float) -> np.ndarray:
    return np.full(shape, np.nan, dtype) if np.issubdtype(dtype, np.floating) else np.ones(shape, dtype)
