"""A CT for a label map: HU of each tissue, texture, partial volume and noise; truth to train on."""

from collections.abc import Sequence

import cv2
import numpy as np

from gateway.imaging.maisi.labels import LABELS
from tools.phantoms.ct_tissue import (
    AIR_HU,
    AIRWAY,
    BONE,
    GUT,
    LUNG,
    blurred,
    depth_mm,
    fill_body,
    label_hu,
    waves,
)


def ct_of(labels: np.ndarray, spacing_mm: Sequence[float], seed: int) -> np.ndarray:
    """Draw the CT that a scanner might have made of this anatomy.

    Parameters
    ----------
    labels
        uint8 [x, y, z] in RAS+ axes, native MAISI indices.
    seed
        Contrast phase, texture and noise follow from it.

    Returns
    -------
    int16, same shape, -1000..1000 HU; exactly -1000 where the label is 0.
    """
    rng = np.random.default_rng([seed, 2])
    spacing = np.asarray(spacing_mm, float)
    phase = int(rng.choice(3, p=(0.3, 0.2, 0.5)))
    hu = label_hu(phase, rng)[labels]
    fill_body(hu, labels, spacing, rng)
    _fill_bone(hu, labels, spacing, rng)
    _fill_lung(hu, labels, spacing, rng)
    _fill_gut(hu, labels, spacing, rng)
    _fill_kidneys(hu, labels, spacing, phase)
    soft = (hu > -300) & (hu < 300)
    hu += np.where(soft, 5 * waves(rng, labels.shape, spacing, 6.0), np.float32(0))
    hu = _seen_through_a_scanner(hu, spacing, rng)
    hu[labels == 0] = AIR_HU
    return np.asarray(np.clip(np.rint(hu), -1000, 1000), np.int16)


def _fill_bone(hu: np.ndarray, labels: np.ndarray, spacing: np.ndarray, rng: np.random.Generator) -> None:
    """Give bones a dense shell about a spongy inside."""
    bone = BONE[labels]
    if not bone.any():
        return
    depth = depth_mm(bone, spacing)
    marrow = rng.uniform(130, 240) + 45 * waves(rng, labels.shape, spacing, 4.0)
    shell = rng.uniform(620, 900)
    share = np.clip((depth - rng.uniform(1.2, 2.2)) / 1.6, 0, 1)
    skull = labels == LABELS["skull"].index
    share[skull] *= 0.35  # its sponge is thin
    value = shell + share * (marrow - shell)
    hu[bone] = value[bone]


def _fill_lung(hu: np.ndarray, labels: np.ndarray, spacing: np.ndarray, rng: np.random.Generator) -> None:
    """Draw vessels as where two noises are both near zero, which are lines, and denser lung at the back."""
    lung = LUNG[labels]
    if not lung.any():
        return
    behind = np.linspace(35, -35, labels.shape[1], dtype=np.float32)[None, :, None]
    value = hu + behind + 14 * waves(rng, labels.shape, spacing, 10.0)
    for step, wide, dense in ((26.0, 0.085, 60.0), (13.0, 0.075, -150.0)):
        line = waves(rng, labels.shape, spacing, step) ** 2 + waves(rng, labels.shape, spacing, step) ** 2
        share = np.clip(1.6 - line / wide**2, 0, 1)
        value += share * (dense - value)
    rim = blurred(AIRWAY[labels], 1.3, spacing)
    value = np.maximum(value, np.where(rim > 0.12, np.float32(-250), np.float32(-1000)))
    hu[lung] = value[lung]


def _fill_gut(hu: np.ndarray, labels: np.ndarray, spacing: np.ndarray, rng: np.random.Generator) -> None:
    """Fill stomach and bowel with gas towards the front, with fluid or with stool."""
    gut = GUT[labels]
    if not gut.any():
        return
    inner = depth_mm(gut, spacing) > 2.6
    cloud = waves(rng, labels.shape, spacing, 24.0)
    ahead = np.linspace(-0.9, 0.9, labels.shape[1], dtype=np.float32)[None, :, None]
    amount = np.zeros(256, np.float32)
    for name, least, most in (("stomach", 0.0, 0.9), ("colon", 0.1, 1.0), ("small bowel", -0.9, 0.0),
                              ("duodenum", -0.9, -0.1)):  # fmt: skip
        amount[LABELS[name].index] = rng.uniform(least, most) - 0.55
    gas = inner & (cloud + ahead + amount[labels] > 0)
    fluid = rng.uniform(8, 30) + 6 * cloud
    stool = inner & (labels == LABELS["colon"].index)
    fluid[stool] += (25 + 60 * np.minimum(waves(rng, labels.shape, spacing, 4.0), 0.2))[stool]
    hu[inner] = fluid[inner]
    hu[gas] = rng.uniform(-990, -930)


def _fill_kidneys(hu: np.ndarray, labels: np.ndarray, spacing: np.ndarray, phase: int) -> None:
    """Draw the cortex brighter than the medulla where there is contrast."""
    kidney = np.isin(labels, [LABELS["left kidney"].index, LABELS["right kidney"].index])
    if phase and kidney.any():
        deep = np.clip(depth_mm(kidney, spacing) / 8 - 0.5, 0, 1)
        hu[kidney] += ((1 - 2 * deep) * (28 if phase == 1 else 10))[kidney]


def _seen_through_a_scanner(hu: np.ndarray, spacing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur as a reconstruction kernel does, and add noise whose grains are as fine as that kernel's."""
    sigma = rng.uniform(0.5, 0.9)
    hu = blurred(hu, sigma, np.array([spacing[0], spacing[1], max(spacing[2], 1.0)]))
    strength = rng.uniform(6, 18)
    for k in range(hu.shape[2]):
        white = rng.standard_normal(hu.shape[:2], np.float32)
        fine = cv2.GaussianBlur(white, (0, 0), max(0.8 / spacing[0], 0.45))
        grain = fine - cv2.GaussianBlur(white, (0, 0), max(3.0 / spacing[0], 1.5))
        hu[:, :, k] += np.float32(strength / grain.std()) * grain
    return hu
