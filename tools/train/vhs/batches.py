"""Batches for all folds: each learns from its own four fifths of the films, framed and toned anew."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import cv2
import numpy as np

from gateway.imaging.grey_window import grey_window
from gateway.imaging.letterbox import letterbox, placement
from tools.train.vhs.frames import Frame, as_taken, frame_of
from tools.train.vhs.layout import EDGES, FOLDS, GUIDE_CELL_PX, POINTS
from tools.train.vhs.pool import Pool
from tools.train.vhs.tones import toned

Generator = np.random.Generator

NEGATIVE_SHARE = 0.2
SPOILT_SHARE = 0.15
"""Of the negatives: thorax films upside down or cut to a part without most landmarks."""


class Example(NamedTuple):
    """One picture and what is true of it; stacked, a batch."""

    letterbox: np.ndarray
    """float32 (side, side) in [0, 1]."""
    points: np.ndarray
    """float32 (7, 2): fractions of the side; 0 where not seen."""
    seen: np.ndarray
    """float32 (7,)."""
    is_thorax: float
    judged: float
    edges: np.ndarray
    """float32 (14, 2), like `points`."""
    edges_seen: np.ndarray
    """float32 (14,)."""
    heart: np.ndarray
    """float32 (side / 8, side / 8): 1 inside its outline."""


class Films(NamedTuple):
    """All pools to learn from."""

    thoraces: Pool
    negatives: tuple[Pool, ...]
    fold: np.ndarray
    """int (N,): the fold that never sees a thorax."""


class Stage(NamedTuple):
    """A part of the fit."""

    side: int
    """Of the squares, in pixels."""
    rows: int
    """Of one worker's batch, a multiple of the number of folds."""
    blocks: int
    """How many fifths of a batch each fold learns from: what the trunk made of them is used again."""
    steps: int
    rate: float
    """Highest learning rate."""
    guided: bool = False
    """Whether the heart's area and the edges of all vertebrae are learnt, too."""
    as_taken: float = 0.0
    """Share of films that are not framed anew, half of which keep their tones, too."""
    decoded: bool = False
    """Whether the loss is of the points that the graph will give."""
    settled: bool = False
    """Whether normalisations stay as they are, as those of a restored network must."""


def deal(count: int, seed: int) -> np.ndarray:
    """Deal films to folds, int64 (count,)."""
    return np.random.default_rng(seed).permutation(count) % FOLDS


def squared(picture: np.ndarray, side: int) -> np.ndarray:
    """Window a picture and place it in a square as the server does, for any side; float32 in [0, 1]."""
    lower, upper = grey_window(picture)
    square = letterbox(picture, side).astype(np.float32)
    return np.asarray(((square - lower) * np.float32(1 / max(upper - lower, 1))).clip(0, 1))


def thorax(films: Pool, index: int, generator: Generator, stage: Stage) -> Example:
    """Frame and tone one film at random, as far as the stage wants it.

    Parameters
    ----------
    films, index
        Which film.
    generator
        Source of every choice.
    stage
        Gives the square's side and how much is left as it was.
    """
    picture, landmarks = films.picture(index), films.landmarks[index].astype(np.float64)
    width, height = picture.shape[1], picture.shape[0]
    unchanged = stage.as_taken > 0 and generator.random() < stage.as_taken
    if unchanged:
        frame = as_taken(width, height, generator, stage.side)
    else:
        frame = frame_of(width, height, landmarks, generator, stage.side)
    background = int(generator.choice([0, 0, 0, generator.integers(0, 256)]))
    cut = frame.cut(picture, background)
    if not unchanged or generator.random() < 0.5:
        cut = toned(cut, generator)
    points, seen = _placed(landmarks, frame, stage.side)
    edges, edges_seen = _placed(films.guides[index, :EDGES], frame, stage.side)
    heart = _filled(films.guides[index, EDGES:], frame, stage.side)
    square = squared(cut, stage.side)
    return Example(square, points, seen, 1.0, float(seen.all()), edges, edges_seen, heart)


def _placed(points: np.ndarray, frame: Frame, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Give a film's points as fractions of the square, 0 where they are not seen, and which are seen."""
    moved = frame.move(points)
    seen = frame.shows(moved).astype(np.float32)
    fractions = placement(frame.width, frame.height, side).to_square(moved) / side
    return np.where(seen[:, np.newaxis] > 0, fractions, 0).astype(np.float32), seen


def _filled(outline: np.ndarray, frame: Frame, side: int) -> np.ndarray:
    """Draw a film's outline, (N, 2), in cells of the square: float32 (side / 8, side / 8)."""
    cells = np.zeros((side // GUIDE_CELL_PX, side // GUIDE_CELL_PX), np.float32)
    placed = placement(frame.width, frame.height, side).to_square(frame.move(outline))
    corners = np.rint((placed / GUIDE_CELL_PX - 0.5) * 16).astype(np.int32)
    return np.asarray(cv2.fillPoly(cells, [corners], [1.0], cv2.LINE_8, 4))


def negative(films: Films, generator: Generator, side: int) -> Example:
    """Take a picture that is no lateral canine thorax, or spoil one."""
    if generator.random() < SPOILT_SHARE:
        picture = _spoilt(films.thoraces, generator)
    else:
        pool = films.negatives[generator.integers(len(films.negatives))]
        picture = pool.picture(generator.integers(len(pool.sizes)))
    frame = frame_of(picture.shape[1], picture.shape[0], None, generator, side)
    cut = toned(frame.cut(picture, 0), generator)
    nowhere, unseen = np.zeros((POINTS + EDGES, 2), np.float32), np.zeros(POINTS + EDGES, np.float32)
    points, edges = np.split(nowhere, [POINTS])
    seen, edges_seen = np.split(unseen, [POINTS])
    heart = np.zeros((side // GUIDE_CELL_PX, side // GUIDE_CELL_PX), np.float32)
    return Example(squared(cut, side), points, seen, 0.0, 1.0, edges, edges_seen, heart)


def _spoilt(films: Pool, generator: Generator) -> np.ndarray:
    """Turn a film upside down, or cut away all but a part that holds two landmarks at most."""
    index = generator.integers(len(films.sizes))
    picture = films.picture(index)
    if generator.random() < 0.5:
        return np.ascontiguousarray(picture[::-1])
    rows, columns = picture.shape
    for _ in range(20):
        low = generator.uniform(0, 0.6, 2) * (columns, rows)
        high = low + generator.uniform(0.25, 0.4, 2) * (columns, rows)
        inside = ((films.landmarks[index] > low) & (films.landmarks[index] < high)).all(1)
        if inside.sum() <= 2:
            break
    (left, top), (right, bottom) = low.astype(int), high.astype(int)
    return np.ascontiguousarray(picture[top:bottom, left:right])


def batch(films: Films, generator: Generator, stage: Stage) -> Example:
    """Make a batch of five blocks of rows; none holds a film that is kept from a fold that learns from it."""
    examples = []
    for row in range(stage.rows):
        if generator.random() < NEGATIVE_SHARE:
            examples.append(negative(films, generator, stage.side))
            continue
        block = row * FOLDS // stage.rows
        index = generator.integers(len(films.fold))
        while (block - films.fold[index]) % FOLDS < stage.blocks:
            index = generator.integers(len(films.fold))
        examples.append(thorax(films.thoraces, int(index), generator, stage))
    return Example(*(np.stack(each) for each in zip(*examples, strict=True)))  # type: ignore[arg-type]


def batches(films: Films, generator: Generator, stage: Stage, parts: int) -> Iterator[list[Example]]:
    """Make the batches of a stage, `parts` for each step, the next ones while these are learnt from."""

    def make() -> list[Example]:
        return [batch(films, generator, stage) for _ in range(parts)]

    with ThreadPoolExecutor(1) as ahead:
        waiting = ahead.submit(make)
        for step in range(stage.steps):
            ready = waiting.result()
            if step + 1 < stage.steps:
                waiting = ahead.submit(make)
            yield ready
