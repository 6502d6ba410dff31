import time

import cv2
import numpy as np
import pytest

from gateway.imaging.vhs.landmarks import LANDMARKS, VERTEBRAL_SPAN
from tools.phantoms.canine_canvas import View
from tools.phantoms.canine_chest import Dog, dog_of
from tools.phantoms.canine_framing import framing_of
from tools.phantoms.canine_heart import draw_heart
from tools.phantoms.canine_lungs import before_diaphragm, carina_outline, draw_great_vessels
from tools.phantoms.canine_negatives import FILMS, negative
from tools.phantoms.canine_other_films import field_of, view_beside_the_thorax
from tools.phantoms.canine_skeleton import draw_ribs
from tools.phantoms.canine_spine import NAMES, T1, T4, T9, T13, body_outlines, draw_spine
from tools.phantoms.canine_styles import STYLES as STYLE_TABLE
from tools.phantoms.canine_thorax import STYLES, UNSEEN_STYLE, canine_thorax

TOP, BOTTOM, RIGHT, LEFT, VLAS, A, B = range(7)
DOGS = [dog_of(np.random.default_rng(seed)) for seed in range(200)]
FRAMES = [framing_of(dog, np.random.default_rng(seed), 640) for seed, dog in enumerate(DOGS)]
FRAME = np.array([dog.landmarks() for dog in DOGS])
"""(200, 7, 2): in the vertebral frame."""
PLACES = np.array(
    [f.view.pixels(dog.landmarks()) / f.view.shape[::-1] for dog, f in zip(DOGS, FRAMES, strict=True)]
)
"""(200, 7, 2): as shares of width and height."""


def lengths() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give L, S and the VLAS of all dogs in vertebrae, measured from their landmarks as the contract does."""
    unit = np.linalg.norm(FRAME[:, B] - FRAME[:, A], axis=1) / VERTEBRAL_SPAN
    spans = ((TOP, BOTTOM), (RIGHT, LEFT), (TOP, VLAS))
    long, short, atrium = (np.linalg.norm(FRAME[:, q] - FRAME[:, p], axis=1) / unit for p, q in spans)
    return long, short, atrium


def near_view(dog: Dog, centre: np.ndarray, unit_px: float = 60) -> View:
    """Look at a dog without rotation: 900 by 900 pixels about a place."""
    matrix = np.array([[unit_px, 0, 450 - unit_px * centre[0]], [0, unit_px, 450 - unit_px * centre[1]]])
    return View(matrix, (900, 900), unit_px)


def test_axes_follow_the_published_distribution():
    long, short, _ = lengths()
    assert 4.7 <= np.median(long) <= 5.9
    assert 4.1 <= np.median(short) <= 5.0
    assert 1.1 <= np.median(long / short) <= 1.26
    assert np.percentile(long / short, 5) > 0.9
    assert np.percentile(long / short, 95) < 1.5


def test_scores_reach_from_small_to_very_large_hearts():
    long, short, atrium = lengths()
    score = long + short
    assert 9.8 <= np.median(score) <= 10.8
    assert np.mean((score > 8.3) & (score < 11.5)) > 0.6
    assert np.mean(score > 12.5) > 0.08
    assert score.min() > 7
    assert score.max() < 15.2
    assert 1.7 <= np.median(atrium) <= 2.2
    assert atrium.min() > 1.2 - 1e-9
    assert atrium.max() < 4.0 + 1e-9
    assert np.mean(atrium > 2.5) > 0.08


def test_atrium_is_no_mere_function_of_the_heart():
    long, short, atrium = lengths()
    assert 0.1 < np.corrcoef(long + short, atrium)[0, 1] < 0.8


@pytest.mark.parametrize(
    ("point", "expected", "spread"),
    [
        (TOP, (1.43, 1.98), (0.69, 0.72)),
        (BOTTOM, (1.95, 7.13), (1.16, 1.03)),
        (RIGHT, (-1.32, 4.11), (1.21, 0.68)),
        (LEFT, (3.14, 3.57), (0.75, 0.66)),
    ],
)
def test_heart_lies_against_the_spine_as_in_published_previews(point, expected, spread):
    found = FRAME[:, point]
    assert np.all(np.abs(np.median(found, 0) - expected) < 0.6 * np.array(spread))
    assert np.all(np.abs(found - expected) < 5.5 * np.array(spread))
    assert np.all(found.std(0) > 0.4 * np.array(spread))


def test_axes_are_perpendicular_but_for_a_few_degrees():
    along, across = FRAME[:, BOTTOM] - FRAME[:, TOP], FRAME[:, LEFT] - FRAME[:, RIGHT]
    cosine = np.sum(along * across, 1) / np.linalg.norm(along, axis=1) / np.linalg.norm(across, axis=1)
    angle = np.degrees(np.arccos(np.abs(cosine)))
    assert np.percentile(angle, 5) > 83
    assert np.median(angle) < 89.7


def test_pictures_are_framed_as_in_published_previews():
    sizes = np.array([frame.view.shape[::-1] for frame in FRAMES])
    aspect = sizes[:, 0] / sizes[:, 1]
    assert 1.15 < np.median(aspect) < 1.4
    assert np.mean(aspect < 1) > 0.01
    spine = (PLACES[:, B] - PLACES[:, A]) * sizes
    share = np.linalg.norm(spine, axis=1) / sizes[:, 0]
    assert 0.28 < np.median(share) < 0.37
    slope = np.degrees(np.arctan2(-spine[:, 1], spine[:, 0]))
    assert 14 < np.median(slope) < 22
    centre = (PLACES[:, TOP] + PLACES[:, BOTTOM]) / 2
    assert np.all(np.abs(np.median(centre, 0) - (0.515, 0.635)) < 0.05)


def test_all_landmarks_lie_on_the_detector():
    for frame, place in zip(FRAMES, PLACES, strict=True):
        columns, rows = (place * frame.view.shape[::-1]).astype(int).T
        assert frame.field[rows, columns].all()


def test_the_first_thoracic_vertebra_is_sometimes_missing():
    first = np.array(
        [
            f.view.pixels(dog.spine.cranial[T1])[0] / f.view.shape[1]
            for dog, f in zip(DOGS, FRAMES, strict=True)
        ]
    )
    assert 0.01 < np.mean(first < 0) < 0.3


def test_vertebral_landmarks_are_edges_of_t4_and_t9():
    for seed, dog in enumerate(DOGS[:20]):
        assert NAMES[T4 : T9 + 1] == tuple(f"T{number}" for number in range(4, 10))
        assert np.allclose(FRAME[seed, [A, B]], [(0, 0), (6, 0)], atol=1e-9)
        outlines = body_outlines(dog.spine)
        for number, end, corners in ((T4, dog.spine.cranial[T4], (0, 8)), (T9, dog.spine.caudal[T9], (2, 4))):
            back, belly = outlines[number, corners[0]], outlines[number, corners[1]]
            if dog.spine.wedge[number]:
                continue
            height = (end - belly) @ (back - belly) / np.sum((back - belly) ** 2)
            assert 0.2 < height < 0.34
            assert abs(np.linalg.det([end - belly, back - belly])) < 1e-6


def test_vertebrae_grow_slowly_and_leave_discs():
    for dog in DOGS[:20]:
        body = np.linalg.norm(dog.spine.caudal - dog.spine.cranial, axis=1)[T1 : T13 + 1]
        disc = np.linalg.norm(dog.spine.cranial[1:] - dog.spine.caudal[:-1], axis=1)[T1:T13]
        assert np.all((disc / (disc + body[:-1]) > 0.07) & (disc / (disc + body[:-1]) < 0.16))
        assert -0.005 < np.median(np.diff(body) / body[:-1]) < 0.05


@pytest.mark.parametrize("seed", range(12))
def test_the_drawn_silhouette_ends_at_the_landmarks(seed):
    dog = DOGS[seed]
    view = near_view(dog, dog.heart.place(dog.heart.long / 2, 0), 80)
    drawn = draw_heart(dog.heart, view)
    rows, columns = np.nonzero(drawn > 0.3 * drawn.max() * 0.25)
    pixels = np.stack([columns + 0.5, rows + 0.5], 1)
    ends = view.pixels(dog.landmarks()[:5])
    along, across = dog.heart.axes
    for axis, point, pick in (
        (along, BOTTOM, np.argmax),
        (across, LEFT, np.argmax),
        (across, RIGHT, np.argmin),
    ):
        reach = pixels @ axis
        assert abs(reach[pick(reach)] - ends[point] @ axis) < 2.0
    edge = np.min(np.linalg.norm(pixels - ends[VLAS], axis=1))
    inside = drawn[int(ends[VLAS][1]), int(ends[VLAS][0])] > 0
    contours, _ = cv2.findContours((drawn > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    assert edge < 2
    assert inside or edge < 2
    assert abs(cv2.pointPolygonTest(contours[0], tuple(map(float, ends[VLAS] - 0.5)), True)) < 2


@pytest.mark.parametrize("seed", range(12))
def test_the_vlas_point_lies_on_the_cavas_dorsal_border_and_above_heart_left(seed):
    dog = DOGS[seed]
    view = near_view(dog, FRAME[seed, VLAS], 80)
    vessels = draw_great_vessels(dog, view)
    column = round(450 + 0.25 * 80)
    drop = (dog.cava[12, 1] - dog.cava[10, 1]) / (dog.cava[12, 0] - dog.cava[10, 0])
    row = round(450 + 0.25 * 80 * drop)
    assert vessels[row + 12, column] > 3 * vessels[row - 12, column] or vessels[row + 12, column] > 0.8
    level = (FRAME[seed, [VLAS, LEFT]] - FRAME[seed, TOP]) @ dog.heart.axes[0]
    assert level[0] < level[1]


@pytest.mark.parametrize("seed", range(12))
def test_the_carinas_ventral_end_is_heart_top(seed):
    dog = DOGS[seed]
    oval = carina_outline(dog)
    down = dog.heart.top - dog.carina
    assert np.allclose(oval[np.argmax(oval @ down)], FRAME[seed, TOP], atol=1e-9)
    assert np.linalg.norm(dog.trachea[-1] - dog.carina) < 1e-6


def test_ribs_meet_their_vertebrae():
    for dog in DOGS[:6]:
        view = near_view(dog, np.array([2.0, 2.0]), 40)
        ribs = draw_ribs(dog, view, np.random.default_rng(0))
        for number in (T4, T4 + 2, T9):
            x, y = view.pixels(dog.spine.at(number, 0.0, 0.3)).astype(int)
            assert ribs[y - 8 : y + 8, x - 8 : x + 8].max() > 0.08


def test_bodies_are_denser_than_discs():
    for dog in DOGS[:6]:
        view = near_view(dog, np.array([3.0, 0.0]), 60)
        bone = draw_spine(dog.spine, view, np.random.default_rng(0))
        for number in range(T4, T9):
            middle = view.pixels(dog.spine.at(number, 0.5, 0.6)).astype(int)
            disc = view.pixels(dog.spine.at(number, 1.06, 0.6)).astype(int)
            assert bone[middle[1], middle[0]] > bone[disc[1], disc[0]] + 0.2


def test_the_heart_lies_before_the_diaphragm():
    dog = DOGS[0]
    view = near_view(dog, dog.heart.top, 40)
    ahead = before_diaphragm(dog, view)
    x, y = view.pixels(dog.heart.place(dog.heart.long / 2, 0)).astype(int)
    assert ahead[y, x] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("style", [*STYLES, UNSEEN_STYLE])
def test_every_style_gives_a_picture_that_uses_its_range(style):
    thorax = canine_thorax(np.random.default_rng(3), style=style)
    assert thorax.style == style
    assert thorax.picture.dtype == np.uint8
    assert max(thorax.picture.shape) == 640
    assert thorax.landmarks.shape == (len(LANDMARKS), 2)
    assert thorax.landmarks.dtype == np.float32
    assert np.all((thorax.landmarks > 0) & (thorax.landmarks < thorax.picture.shape[::-1]))
    low, high = np.percentile(thorax.picture, (2, 98))
    assert high - low > 90


def test_the_unseen_style_is_never_drawn_for_training():
    assert UNSEEN_STYLE not in STYLES
    assert {canine_thorax(np.random.default_rng(seed), long_side_px=160).style for seed in range(40)} == set(
        STYLES
    )


def test_heads_point_either_way():
    ahead = [
        np.sign(np.diff(canine_thorax(np.random.default_rng(seed), long_side_px=160).landmarks[[A, B], 0])[0])
        for seed in range(24)
    ]
    assert 5 <= ahead.count(1) <= 19


def contrast_of_the_heart(seed: int) -> float:
    """Give how much brighter the heart is than the lung between it and the spine, in grey values."""
    thorax = canine_thorax(np.random.default_rng(seed), style="digital")
    grey = cv2.GaussianBlur(thorax.picture, (0, 0), 4).astype(float)
    top, bottom, _, _, vlas, _, spine = thorax.landmarks
    places = ((top + bottom) / 2, 0.7 * vlas + 0.3 * spine, 0.4 * vlas + 0.6 * spine)
    heart, *lung = (grey[int(y), int(x)] for x, y in places)
    inverted = np.median(thorax.picture) > 200
    return float(heart - min(lung)) * (-1 if inverted else 1)


def test_the_heart_shows_in_front_of_the_lungs():
    contrasts = np.array([contrast_of_the_heart(seed) for seed in range(16)])
    assert np.median(contrasts) > 35
    assert np.mean(contrasts > 10) > 0.85


def test_the_same_seed_gives_the_same_picture_and_another_another():
    first, again, other = (canine_thorax(np.random.default_rng(seed), long_side_px=160) for seed in (5, 5, 6))
    assert np.array_equal(first.picture, again.picture)
    assert np.array_equal(first.landmarks, again.landmarks)
    assert first.picture.shape != other.picture.shape or not np.array_equal(first.picture, other.picture)


def test_what_is_exposed_holds_the_landmarks_and_ends_where_the_rest_begins():
    parts = 0
    for seed in range(40):
        film = canine_thorax(np.random.default_rng(seed), long_side_px=320)
        rows, columns = film.picture.shape
        inside = np.zeros((rows, columns), np.uint8)
        cv2.fillConvexPoly(inside, np.round(film.exposed * 16 - 8).astype(np.int32), (1,), cv2.LINE_8, 4)
        assert all(inside[int(y), int(x)] for x, y in film.landmarks)
        outside = cv2.dilate(inside, np.ones((17, 17), np.uint8)) == 0
        if outside.sum() > 500:
            parts += 1
            steps = abs(np.gradient(cv2.blur(film.picture, (5, 5)).astype(float), axis=1))
            assert np.quantile(steps[outside], 0.9) < 0.6 * np.quantile(steps[inside > 0], 0.9)
    assert parts > 8


def test_a_picture_is_quick_to_draw():
    canine_thorax(np.random.default_rng(0))
    started = time.process_time()
    for seed in range(5):
        canine_thorax(np.random.default_rng(seed))
    assert (time.process_time() - started) / 5 < 0.8  # 0.08 s on a quiet core; busy machines take longer


def test_negatives_are_pictures_of_many_kinds():
    pictures = [negative(np.random.default_rng(seed), long_side_px=320) for seed in range(60)]
    assert all(picture.dtype == np.uint8 and max(picture.shape) == 320 for picture in pictures)
    means = np.array([picture.mean() for picture in pictures])
    assert means.std() > 25
    assert sum(picture.std() > 20 for picture in pictures) > 40
    again = negative(np.random.default_rng(7), long_side_px=320)
    assert np.array_equal(pictures[7], again)


@pytest.mark.parametrize("film", sorted(set(FILMS), key=lambda film: film.__name__))
def test_other_films_hold_bone_and_air_or_flesh(film):
    rng = np.random.default_rng(1)
    attenuation = film(field_of(rng, 320), STYLE_TABLE["digital"], rng)
    assert attenuation.dtype == np.float32
    assert np.isfinite(attenuation).all()
    assert attenuation.min() > -0.2
    assert np.percentile(attenuation, 99) - np.percentile(attenuation, 5) > 0.5


def test_views_beside_the_thorax_miss_heart_and_landmark_vertebrae():
    for seed, dog in enumerate(DOGS[:40]):
        rng = np.random.default_rng(seed)
        view = view_beside_the_thorax(field_of(rng, 640), rng)
        x = view.pixels(dog.landmarks())[[A, B], 0]
        assert np.all((x < 0) | (x > view.shape[1]))
