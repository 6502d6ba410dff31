"""Photos of a screen that shows a radiograph, drawn from nothing, with the corners of what it shows."""

from typing import NamedTuple

import cv2
import numpy as np

from gateway.imaging.screen.quad import edge_lengths, ordered
from tools.phantoms import screen_optics as optics
from tools.phantoms.canine_thorax import CanineThorax
from tools.phantoms.screen_films import Film
from tools.phantoms.screen_pose import acceptable, pose, project, rectangle
from tools.phantoms.screen_room import clouds, fingers, polygon, room, stand_and_bezel
from tools.phantoms.screen_seen import seen_area
from tools.phantoms.screen_viewer import display, other_screen

Generator = np.random.Generator

TRIES = 60
"""Photos after which a radiograph is taken for one that cannot be shown."""
FRAMES = (4 / 3, 4 / 3, 3 / 4, 3 / 4, 16 / 9, 9 / 16, 1.0)
"""Width / height of phone photos."""


class ScreenPhoto(NamedTuple):
    """A drawn photo of a screen, and what is true of it."""

    picture: np.ndarray
    """uint8 (rows, columns, 3), BGR."""
    corners: np.ndarray
    """float32 (4, 2), continuous pixels: TL, TR, BR, BL of the radiograph, see `screen_seen`."""
    homography: np.ndarray
    """float64 (3, 3): from the radiograph's pixels, continuous, to the photo's."""
    focal_px: float
    aspect: float
    """Width / height of what the corners enclose, measured on the screen's plane."""


def screen_photo(
    rng: Generator, film: Film | CanineThorax, *, long_side_px: int = 640, turn: bool = True
) -> ScreenPhoto:
    """Photograph a radiograph on a screen, again and again until the photo shows where the film ends.

    Parameters
    ----------
    rng
        Source of every choice.
    film
        What the screen shows: air dark, bone bright.
    long_side_px
        Longer side of the photo.
    turn
        Let a few photos lie on their side, as those of phones that lost their orientation do.

    Raises
    ------
    ValueError
        No photo showed it.
    """
    for _ in range(TRIES):
        photo = _attempt(rng, film, long_side_px)
        if photo is not None:
            return turned(photo, 1 if rng.random() < 0.5 else 3) if turn and rng.random() < 0.06 else photo
    raise ValueError(f"in {TRIES} photos a side of this radiograph could not be seen")


def _attempt(rng: Generator, film: Film | CanineThorax, long_side_px: int) -> ScreenPhoto | None:
    """Take one photo; None where it does not show where the film ends, or not enough of it."""
    width, height = _frame(rng, long_side_px)
    screen = display(rng, film.picture, long_side_px=int(long_side_px * rng.uniform(0.6, 0.95)))
    left, top, right, bottom = screen.shown
    view = pose(rng, (right - left) / (bottom - top), width, height)
    # From pixels of the screen to its plane, where the visible film is 1 high around the origin.
    unit = 1 / (bottom - top)
    to_plane = np.array(
        [[unit, 0, -(left + right) / 2 * unit], [0, unit, -(top + bottom) / 2 * unit], [0, 0, 1]]
    )
    to_photo = view.matrix @ to_plane
    picture, lens = photograph(rng, screen.screen, to_photo, (width, height), view.focal_px)

    def bent(points: np.ndarray) -> np.ndarray:
        return lens.distort(project(to_photo, points))

    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    reached = project(screen.film, film.exposed).clip(screen.shown[:2], screen.shown[2:])
    area = seen_area(grey, bent, (reached, rectangle(*screen.shown), rectangle(*screen.viewport)))
    if area is None or not acceptable(project(to_photo, area), width, height):
        return None
    rows, columns = film.picture.shape
    whole = rectangle(0, 0, columns, rows)
    there = bent(project(screen.film, whole))
    homography = cv2.getPerspectiveTransform(whole.astype(np.float32), there.astype(np.float32))
    top, right, bottom, left = edge_lengths(area)
    aspect = float((top + bottom) / (right + left))
    return ScreenPhoto(picture, bent(area).astype(np.float32), homography, view.focal_px, aspect)


def turned(photo: ScreenPhoto, quarters: int) -> ScreenPhoto:
    """Turn a photo by quarters anticlockwise; its corners keep the order of their places."""
    for _ in range(quarters % 4):
        width = photo.picture.shape[1]
        turn = np.array([[0, 1, 0], [-1, 0, width], [0, 0, 1.0]])
        corners = ordered(project(turn, photo.corners)).astype(np.float32)
        picture = np.ascontiguousarray(np.rot90(photo.picture))
        photo = ScreenPhoto(picture, corners, turn @ photo.homography, photo.focal_px, 1 / photo.aspect)
    return photo


def screenless_photo(rng: Generator, *, long_side_px: int = 640) -> np.ndarray:
    """Photograph a room, or a screen or tablet without a radiograph, uint8 (rows, columns, 3), BGR."""
    width, height = _frame(rng, long_side_px)
    if rng.random() < 0.5:
        return _developed(rng, _room_light(rng, room(rng, width, height)))
    across, down = int(300 * rng.uniform(1.0, 1.8)), int(300 * rng.uniform(0.7, 1.4))
    view = pose(rng, across / down, width, height)
    to_plane = np.array([[1 / down, 0, -across / 2 / down], [0, 1 / down, -0.5], [0, 0, 1]])
    to_photo = view.matrix @ to_plane
    return photograph(rng, other_screen(rng, across, down), to_photo, (width, height), view.focal_px)[0]


def _frame(rng: Generator, long_side_px: int) -> tuple[int, int]:
    aspect = rng.choice(FRAMES)
    width, height = min(aspect, 1.0) * long_side_px, min(1 / aspect, 1.0) * long_side_px
    return round(width), round(height)


def photograph(
    rng: Generator, screen: np.ndarray, to_photo: np.ndarray, size: tuple[int, int], focal_px: float
) -> tuple[np.ndarray, optics.Lens]:
    """Photograph a screen in a room.

    Parameters
    ----------
    rng
        Source of every choice.
    screen
        uint8 (rows, columns, 3), BGR: what it shows.
    to_photo
        float64 (3, 3): from its pixels to the photo's, before the lens bends them.
    size
        Width and height of the photo.
    focal_px
        Focal length.

    Returns
    -------
    uint8 (height, width, 3), BGR, and the lens that bent it.
    """
    width, height = size
    surroundings = room(rng, width, height)
    if rng.random() < 0.25:
        _second_screen(rng, surroundings, screen, to_photo)
    edges = np.array([0, 0, screen.shape[1], screen.shape[0]], np.float64)
    stand_and_bezel(rng, surroundings, to_photo, edges)
    light = _room_light(rng, surroundings)
    mask = np.zeros((height, width), np.uint8)
    polygon(mask, project(to_photo, rectangle(*edges)), (255,))
    _let_shine(rng, light, screen, to_photo, mask)
    lens = optics.Lens(rng.uniform(-0.05, 0.05) * (rng.random() < 0.7), focal_px, (width / 2, height / 2))
    picture = _developed(rng, light)
    if lens.k1:
        picture = cv2.remap(
            picture, *lens.map(width, height), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    return picture, lens


def _second_screen(rng: Generator, image: np.ndarray, screen: np.ndarray, to_photo: np.ndarray) -> None:
    """Put another monitor beside the first, in place."""
    rows, columns = screen.shape[:2]
    shift = columns * rng.uniform(1.06, 1.15) * rng.choice([-1, 1])
    corners = rectangle(0, 0, columns, rows) * rng.uniform(0.8, 1.1) + (shift, rng.normal(0, 0.05) * rows)
    matrix = to_photo @ np.array([[1, 0, shift], [0, 1, 0], [0, 0, 1.0]])
    stand_and_bezel(rng, image, matrix, np.array([0, 0, columns, rows], np.float64))
    other = other_screen(rng, 240, 150)
    source = rectangle(0, 0, 240, 150).astype(np.float32)
    warp = cv2.getPerspectiveTransform(source, project(to_photo, corners).astype(np.float32))
    size = (image.shape[1], image.shape[0])
    cv2.warpPerspective(other, warp, size, dst=image, borderMode=cv2.BORDER_TRANSPARENT)


def _room_light(rng: Generator, surroundings: np.ndarray) -> np.ndarray:
    """Give the room's linear light, float32: from dark reading rooms to daylight."""
    brightness = 10 ** rng.uniform(-2.2, 0.1)
    shade = 1 + 0.35 * clouds(rng, surroundings.shape[1], surroundings.shape[0], (2, 2))
    light: np.ndarray = np.asarray(cv2.LUT(surroundings, optics.to_linear(2.2)))
    light *= (brightness * np.clip(shade, 0.2, 2))[..., np.newaxis]
    return np.asarray(light)


def _let_shine(
    rng: Generator, light: np.ndarray, screen: np.ndarray, to_photo: np.ndarray, mask: np.ndarray
) -> None:
    """Put the screen's light, its moiré and what its glass reflects into the photo, in place."""
    height, width = mask.shape
    if rng.random() < 0.15:
        screen = (
            screen[..., ::-1]
            if rng.random() < 0.5
            else cv2.convertScaleAbs(screen, alpha=rng.uniform(0.6, 1))
        )
    centred = _centred(to_photo)
    seen = cv2.warpPerspective(
        screen, centred, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    shine: np.ndarray = np.asarray(cv2.LUT(seen, optics.to_linear(round(rng.uniform(1.8, 2.4), 1))))
    shine += np.float32(10 ** rng.uniform(-3.2, -1.7))  # backlight that leaks through black
    if rng.random() < 0.6:
        shine *= optics.moire(rng, np.linalg.inv(to_photo), width, height)
    shine *= rng.normal(1, 0.06, 3).astype(np.float32)
    if rng.random() < 0.55:
        shine += optics.glare(rng, width, height)
    share = (mask.astype(np.float32) / 255)[..., np.newaxis]
    light += share * (shine - light)
    if rng.random() < 0.5:  # its light on what is around it
        small = cv2.resize(light, (width // 16 + 1, height // 16 + 1), interpolation=cv2.INTER_AREA)
        soft = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.5, 4))
        spill = cv2.resize(soft * np.float32(rng.uniform(0.005, 0.04)), (width, height))
        light += spill


def _centred(matrix: np.ndarray) -> np.ndarray:
    """Turn a homography of continuous coordinates into OpenCV's, whose pixel centres are whole."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    return np.asarray(np.linalg.inv(half) @ matrix @ half)


def _developed(rng: Generator, light: np.ndarray) -> np.ndarray:
    """Let light through the lens onto the sensor and out of the camera's processing, uint8."""
    height, width = light.shape[:2]
    picture = optics.expose(rng, light * optics.vignette(rng, width, height))
    if rng.random() < 0.08:
        fingers(rng, picture)
    return optics.jpeg(rng, optics.noise(rng, optics.blur(rng, picture)))
