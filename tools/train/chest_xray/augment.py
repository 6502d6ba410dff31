"""Random changes to films: geometry, exposure, sharpness, borders, compression and markers."""

import cv2
import numpy as np

Generator = np.random.Generator


def shift_and_turn(
    pixels: np.ndarray,
    generator: Generator,
    *,
    side: int,
    degrees: float = 8.0,
    zoom: tuple[float, float] = (0.85, 1.15),
    shift: float = 0.05,
) -> np.ndarray:
    """Turn, scale and move an image at random.

    Parameters
    ----------
    pixels
        uint8 or float32 (rows, columns).
    side
        Side of the square result.
    degrees, zoom, shift
        Greatest turn, range of the scale, and greatest move as a share of the side.

    Returns
    -------
    Same type, (side, side); what comes from outside the image is 0.
    """
    rows, columns = pixels.shape
    scale = generator.uniform(*zoom)
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), generator.uniform(-degrees, degrees), scale)
    moved = generator.uniform(-shift, shift, 2) * np.array([columns, rows])
    whole = np.diag([side / columns, side / rows]) @ (matrix + np.pad(moved[:, None], ((0, 0), (2, 0))))
    return np.asarray(cv2.warpAffine(pixels, whole, (side, side), flags=cv2.INTER_LINEAR))


def expose(pixels: np.ndarray, generator: Generator) -> np.ndarray:
    """Change gamma, window and brightness of an image in [0, 1]; float32, same shape, in [0, 1]."""
    low, high = generator.uniform(0, 0.12), generator.uniform(0.85, 1.1)
    windowed = np.clip((pixels - np.float32(low)) / np.float32(high - low), 0, 1)
    curve = cv2.pow(windowed, float(np.exp(generator.normal(0, 0.3))))
    return np.asarray(np.clip(curve * np.float32(generator.uniform(0.75, 1.1)), 0, 1), np.float32)


def soften(pixels: np.ndarray, generator: Generator, blur: float) -> np.ndarray:
    """Blur by up to `blur` pixels and add noise; float32 in [0, 1]."""
    sigma = generator.uniform(0.01, blur)
    smooth = cv2.GaussianBlur(pixels, (0, 0), sigma) if sigma > 0.3 else pixels
    noise = generator.standard_normal(pixels.shape, np.float32) * np.float32(generator.uniform(0, 0.025))
    return np.clip(smooth + noise, 0, 1).astype(np.float32)


def frame(pixels: np.ndarray, generator: Generator) -> np.ndarray:
    """Add what surrounds films: the letterbox of the padding, a collimator's edge, a bright rim."""
    side = pixels.shape[0]
    result = pixels.copy()
    if generator.random() < 0.4:
        edges = (generator.random(4) * (generator.random(4) < 0.5) * 0.1 * side).astype(int)
        level = generator.choice([0.0, 0.0, 0.1, 1.0])
        result[: edges[0]] = result[side - edges[1] :] = level
        result[:, : edges[2]] = result[:, side - edges[3] :] = level
    if generator.random() < 0.3:
        short = int(side * generator.uniform(0.72, 1))
        size, offset = ((short, side), (0, (side - short) // 2))
        size, offset = (size, offset) if generator.random() < 0.7 else (size[::-1], offset[::-1])
        squeezed = cv2.resize(_crop(result, size), size, interpolation=cv2.INTER_AREA)
        result = np.zeros_like(result)
        result[offset[0] : offset[0] + size[1], offset[1] : offset[1] + size[0]] = squeezed
    return result


def _crop(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut the middle out, (columns, rows) in size."""
    side = pixels.shape[0]
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    return pixels[top : top + size[1], left : left + size[0]]


def mark(pixels: np.ndarray, generator: Generator) -> np.ndarray:
    """Write a side marker or a line of text near a border."""
    side = pixels.shape[0]
    letters = str(generator.choice(["L", "R", "AP", "PORTABLE", "L AP", "12.04"]))
    origin = (int(generator.uniform(0.02, 0.8) * side), int(generator.choice([0.1, 0.95]) * side))
    result = pixels.copy()
    scale = generator.uniform(0.2, 0.4) * side / 64
    return np.asarray(cv2.putText(result, letters, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, (1.0,), 1))


def recompress(pixels: np.ndarray, generator: Generator) -> np.ndarray:
    """Send an image in [0, 1] through JPEG of a random quality."""
    quality = int(generator.integers(30, 96))
    data = cv2.imencode(".jpg", (pixels * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255


def ripple(pixels: np.ndarray, generator: Generator, strength: float) -> np.ndarray:
    """Bend an image smoothly, by about `strength` of its side."""
    side = pixels.shape[0]
    coarse = generator.normal(0, strength * side, (2, 5, 5)).astype(np.float32)
    field = [cv2.resize(part, (side, side), interpolation=cv2.INTER_CUBIC) for part in coarse]
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    bent = cv2.remap(pixels, x + field[0], y + field[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(bent)
