"""A drawn lateral radiograph of a dog's thorax with exact landmarks: X-rays through summed thicknesses."""

from dataclasses import dataclass

import numpy as np

from tools.phantoms import canine_acquisition as acquisition
from tools.phantoms import canine_lungs as lungs
from tools.phantoms import canine_skeleton as skeleton
from tools.phantoms import canine_trunk as trunk
from tools.phantoms.canine_canvas import View, blur, clouds
from tools.phantoms.canine_chest import Dog, dog_of
from tools.phantoms.canine_framing import framing_of
from tools.phantoms.canine_heart import draw_heart
from tools.phantoms.canine_spine import T1, T13, draw_spine
from tools.phantoms.canine_styles import STYLES as STYLE_TABLE
from tools.phantoms.canine_styles import UNSEEN, Style, drawn

STYLES: tuple[str, ...] = tuple(STYLE_TABLE)
"""Families of acquisition to train with."""
UNSEEN_STYLE: str = "unseen"
"""One more, kept for the test."""


@dataclass(frozen=True)
class CanineThorax:
    """A picture and where its landmarks lie."""

    picture: np.ndarray
    """uint8 (rows, columns): air dark, bone bright (rarely the other way round)."""
    landmarks: np.ndarray
    """float32 (7, 2): x, y in pixels, continuous coordinates, order of `LANDMARKS`."""
    style: str
    """Family of acquisition."""
    vertebrae: np.ndarray
    """float32 (14, 2): cranial edges of T1 to L1, pixels like `landmarks`."""
    heart: np.ndarray
    """float32 (100, 2): outline, pixels."""
    exposed: np.ndarray
    """float64 (4, 2): what X-rays reached, without padding and the collimator's shadow; TL, TR, BR, BL."""


def canine_thorax(
    rng: np.random.Generator, *, long_side_px: int = 640, style: str | None = None
) -> CanineThorax:
    """Draw a dog and take its radiograph.

    Parameters
    ----------
    rng
        Everything random comes from it.
    long_side_px
        Longer side of the picture.
    style
        One of `STYLES` or `UNSEEN_STYLE`; one of `STYLES` at random where None.
    """
    name = str(rng.choice(STYLES)) if style is None else style
    family = UNSEEN if name == UNSEEN_STYLE else STYLE_TABLE[name]
    dog = dog_of(rng)
    framing = framing_of(dog, rng, long_side_px)
    view = framing.view
    attenuation, points, field = (
        attenuation_of(dog, view, family, rng),
        view.pixels(np.concatenate([dog.landmarks(), dog.spine.cranial[T1 : T13 + 2], dog.heart.outline()])),
        framing.field,
    )
    if rng.random() < 0.5:
        attenuation, field = np.ascontiguousarray(attenuation[:, ::-1]), field[:, ::-1]
        points = (view.shape[1], 0) + points * (-1, 1)
    landmarks, vertebrae, heart = np.split(points.astype(np.float32), [7, 21])
    exposed = acquisition.collimation(field, points[:7], family, rng)
    picture = radiograph_of(attenuation, exposed.mask, field, family, rng)
    return CanineThorax(picture, landmarks, name, vertebrae, heart, exposed.corners)


def attenuation_of(dog: Dog, view: View, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Sum attenuation times thickness along each ray, float32 (rows, columns)."""
    limb_bone, flesh = skeleton.draw_forelimbs(dog, view, rng)
    body, fat = trunk.draw_trunk(dog, view, rng)
    ahead = blur(lungs.before_diaphragm(dog, view), 0.02 * view.unit_px)
    gas, organs = trunk.draw_abdomen(dog, view, rng)
    body *= 1 - rng.uniform(0, 0.25) * (1 - blur(ahead, 0.3 * view.unit_px))
    tissue = np.maximum(body - _air(dog, view, body, ahead, rng) - gas, 0.1 * body)
    tissue *= 1 - rng.uniform(0.05, 0.3) * fat + 0.02 * clouds(rng, view.shape, view.unit_px)
    inside = (body > 0.05).astype(np.float32)
    tissue += rng.uniform(0.3, 1.0) * (2.4 - 1.5 * inside) * flesh
    tissue += inside * ((1 - ahead) * organs + trunk.draw_folds(dog, view, rng))
    bone = 0.75 * draw_spine(dog.spine, view, rng) + skeleton.draw_ribs(dog, view, rng)
    bone += 0.8 * skeleton.draw_sternum(dog, view, rng) + limb_bone + skeleton.draw_skull(dog, view)
    whole = drawn(style.tissue, rng) * tissue + drawn(style.bone, rng) * blur(bone, 0.02 * view.unit_px)
    return np.asarray(whole + trunk.draw_implants(dog, view, rng), np.float32)


def _air(dog: Dog, view: View, body: np.ndarray, ahead: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give the thickness of air in lungs and airways, float32 (rows, columns) in vertebrae."""
    cavity = np.minimum(lungs.lung_air(dog, view, ahead, rng), 0.85 * body)
    heart = rng.uniform(1.0, 1.45) * draw_heart(dog.heart, view)
    # Where the great vessels meet the heart they are part of it.
    solid = np.hypot(heart, 0.8 * lungs.draw_great_vessels(dog, view))
    lung = np.maximum(cavity - 0.85 * solid, rng.uniform(0.1, 0.25) * cavity)
    lung *= (1 - lungs.draw_mediastinum(dog, view, rng)) * lungs.lung_texture(view, rng)
    # Those that cross the heart are lost in it.
    vessels = lungs.draw_vessels(dog, view, rng) * (1 - 0.75 * np.minimum(heart, 1))
    lung -= np.minimum(vessels, 0.5 * lung)
    airways, walls = lungs.draw_airways(dog, view, rng)
    return np.asarray(lung + rng.uniform(1.1, 1.9) * airways - walls)


def radiograph_of(
    attenuation: np.ndarray, exposed: np.ndarray, field: np.ndarray, style: Style, rng: np.random.Generator
) -> np.ndarray:
    """Expose and process: uint8 (rows, columns)."""
    body = exposed & (attenuation > 0.15)
    attenuation = attenuation + acquisition.lead_things(attenuation.shape, rng)
    density = acquisition.exposure(attenuation, style, rng)
    grey = acquisition.processed(density, body, style, rng)
    return acquisition.finished(grey, exposed, field, style, rng)
