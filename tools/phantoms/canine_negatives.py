"""Pictures that are no lateral canine thorax, for the network's sense of validity."""

import cv2
import numpy as np

from tools.phantoms import canine_other_films as films
from tools.phantoms.canine_acquisition import collimation
from tools.phantoms.canine_canvas import clouds
from tools.phantoms.canine_styles import STYLES, UNSEEN
from tools.phantoms.canine_thorax import radiograph_of

FILMS = (
    films.elsewhere_on_the_dog,
    films.elsewhere_on_the_dog,
    films.ventrodorsal_thorax,
    films.ventrodorsal_thorax,
    films.abdomen,
    films.abdomen,
    films.limb,
    films.skull,
    films.hand,
)
"""Radiographs of something else; twice those that are most like a thorax."""
FILM_SHARE = 0.72


def negative(rng: np.random.Generator, *, long_side_px: int = 640) -> np.ndarray:
    """Draw a picture without the landmarks.

    Parameters
    ----------
    rng
        Everything random comes from it.
    long_side_px
        Longer side of the picture.

    Returns
    -------
    uint8 (rows, columns).
    """
    if rng.random() < FILM_SHARE:
        return _film(rng, long_side_px)
    rows, columns = films.field_of(rng, long_side_px).shape
    kind = (_noise, _blank, _document, _photo, _photo)[rng.integers(5)]
    picture = np.asarray(np.clip(kind(rng, (rows, columns)), 0, 255).astype(np.uint8))
    return 255 - picture if rng.random() < 0.1 else picture


def _film(rng: np.random.Generator, long_side_px: int) -> np.ndarray:
    """Take a radiograph of something else, as thoraxes are taken: mirrored, turned, collimated."""
    view = films.field_of(rng, long_side_px)
    style = [*STYLES.values(), UNSEEN][rng.integers(len(STYLES) + 1)]
    attenuation = FILMS[rng.integers(len(FILMS))](view, style, rng)
    if rng.random() < 0.5:
        attenuation = np.ascontiguousarray(attenuation[:, ::-1])
    if rng.random() < 0.15:
        attenuation = np.ascontiguousarray(np.rot90(attenuation, rng.integers(1, 4)))
    kept = np.array([(0.2, 0.2), (0.8, 0.8)]) * attenuation.shape[::-1]
    field = np.ones(attenuation.shape, bool)
    return radiograph_of(attenuation, collimation(field, kept, style, rng).mask, field, style, rng)


def _noise(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Give clouds or grain about a grey."""
    scale = float(np.exp(rng.uniform(0, np.log(max(shape) / 3))))
    grey = 128 + rng.uniform(2, 70) * clouds(rng, shape, scale) + rng.uniform(-100, 100)
    return np.asarray(grey + rng.uniform(0, 25) * clouds(rng, shape, 1))


def _blank(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Give an unexposed or evenly exposed frame: nearly one grey, brighter towards a side."""
    slope = rng.normal(0, 20, 2)
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])
    grey = rng.choice([0.0, 255.0, rng.uniform(0, 255)]) + slope[0] * y + slope[1] * x
    return np.asarray(grey + rng.uniform(0, 3) * clouds(rng, shape, 1))


def _document(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Give a page: lines of text, a heading, perhaps a table or a picture in a frame."""
    rows, columns = shape
    page = np.full(shape, rng.uniform(200, 255), np.float32)
    ink, left = float(rng.uniform(0, 90)), int(rng.uniform(0.04, 0.12) * columns)
    step = max(int(rng.uniform(0.018, 0.04) * rows), 4)
    letters = list("abcdefghilmnoprstu      ABCDE0123456789.,:")
    for y in range(2 * step, rows - step, step):
        if rng.random() < 0.15:
            continue
        text = "".join(rng.choice(letters, rng.integers(10, 110)))
        size = step / 38 * (1.6 if rng.random() < 0.05 else 1.0)
        cv2.putText(page, text, (left, y), int(rng.integers(0, 3)), size, [ink], 1, cv2.LINE_AA)
    if rng.random() < 0.4:
        corner, end = rng.uniform(0.1, 0.5, 2) * (columns, rows), rng.uniform(0.55, 0.9, 2) * (columns, rows)
        (x0, y0), (x1, y1) = corner.astype(int).tolist(), end.astype(int).tolist()
        cv2.rectangle(page, (x0, y0), (x1, y1), [rng.uniform(0, 255)], int(rng.choice([-1, 1, 2])))
    return page


def _photo(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Give a scene: wall or sky, ground, and things before them, lit from a side."""
    rows, columns = shape
    y, x = np.linspace(0, 1, rows, dtype=np.float32)[:, None], np.linspace(0, 1, columns, dtype=np.float32)
    scene = rng.uniform(60, 220) + rng.normal(0, 60) * y + rng.normal(0, 40) * x
    scene[int(rng.uniform(0.4, 0.9) * rows) :] *= rng.uniform(0.4, 1.3)
    for _ in range(rng.integers(3, 22)):
        thing = np.zeros(shape, np.uint8)
        place, size = rng.uniform(0, 1, 2) * (columns, rows), rng.uniform(0.03, 0.3, 2) * max(shape)
        if rng.random() < 0.5:
            axes, angle = size.astype(int).tolist(), rng.uniform(0, 180)
            cv2.ellipse(thing, place.astype(int).tolist(), axes, angle, 0, 360, [255], -1, cv2.LINE_AA)
        else:
            corners = (place + rng.normal(0, 1, (rng.integers(3, 7), 2)) * size).astype(np.int32)
            cv2.fillPoly(thing, [corners], [255], cv2.LINE_AA)
        share = thing.astype(np.float32) * np.float32(rng.uniform(0.6, 1) / 255)
        shade = rng.uniform(10, 245) + rng.normal(0, 50) * (x - 0.5)
        scene = scene * (1 - share) + share * (
            shade + rng.uniform(0, 14) * clouds(rng, shape, rng.uniform(1, 30))
        )
    return np.asarray(
        cv2.GaussianBlur(scene + rng.uniform(0, 6) * clouds(rng, shape, 1), (0, 0), rng.uniform(0.4, 1.5))
    )
