"""A drawn lateral radiograph of a dog's thorax with exact landmarks: X-rays through summed thicknesses."""

from dataclasses import dataclass

import numpy as np

from tools.phantoms import canine_acquisition as acquisition
from tools.phantoms import canine_lungs as lungs
from tools.phantoms import canine_skeleton as skeleton
from tools.phantoms.canine_canvas import View, clouds
from tools.phantoms.canine_chest import Dog, dog_of
from tools.phantoms.canine_framing import view_of
from tools.phantoms.canine_heart import draw_heart
from tools.phantoms.canine_spine import draw_spine
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
    view = view_of(dog, rng, long_side_px)
    attenuation, points = _attenuation(dog, view, family, rng), view.pixels(dog.landmarks())
    if rng.random() < 0.5:
        attenuation, points = attenuation[:, ::-1], (view.shape[1], 0) + points * (-1, 1)
    picture = _radiograph(attenuation, points, family, rng)
    return CanineThorax(picture, points.astype(np.float32), name)


def _attenuation(dog: Dog, view: View, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Sum attenuation times thickness along each ray, float32 (rows, columns)."""
    limb_bone, flesh = skeleton.draw_forelimbs(dog, view, rng)
    body = lungs.draw_body(dog, view, rng)
    tissue = np.maximum(body - _air(dog, view, body, rng), 0.1 * body)
    tissue += np.where(body > 0.01, 1.6, 3.0) * flesh * rng.uniform(0.4, 1.0)
    tissue *= 1 + 0.02 * clouds(rng, view.shape, view.unit_px)
    bone = 0.75 * draw_spine(dog.spine, view, rng) + skeleton.draw_ribs(dog, view, rng)
    bone += 0.8 * skeleton.draw_sternum(dog, view) + limb_bone
    return np.asarray(drawn(style.tissue, rng) * tissue + drawn(style.bone, rng) * bone, np.float32)


def _air(dog: Dog, view: View, body: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give the thickness of air in lungs, airways and bowel, float32 (rows, columns) in vertebrae."""
    cavity = np.minimum(lungs.lung_air(dog, view, rng), 0.85 * body)
    solid = draw_heart(dog.heart, view) + 0.8 * lungs.draw_great_vessels(dog, view)
    lung = np.maximum(cavity - 0.85 * solid, 0.2 * cavity)
    lung *= 1 - rng.uniform(0.3, 0.75) * lungs.draw_mediastinum(dog, view, rng)
    lung *= 1 + 0.04 * clouds(rng, view.shape, 0.5 * view.unit_px)
    lung -= np.minimum(rng.uniform(0.6, 1.4) * lungs.draw_vessels(dog, view, rng), 0.5 * lung)
    airways, walls = lungs.draw_airways(dog, view, rng)
    gas = lungs.draw_abdomen(dog, view, rng)
    return np.asarray(lung + airways - 0.25 * walls + gas)


def _radiograph(
    attenuation: np.ndarray, points: np.ndarray, style: Style, rng: np.random.Generator
) -> np.ndarray:
    """Expose and process: uint8 (rows, columns)."""
    exposed = acquisition.collimation(attenuation.shape, points, style, rng)
    attenuation = attenuation + acquisition.lead_things(attenuation.shape, rng)
    density = acquisition.exposure(attenuation, style, rng)
    grey = acquisition.processed(density, exposed, style, rng)
    return acquisition.finished(grey, exposed, style, rng)
