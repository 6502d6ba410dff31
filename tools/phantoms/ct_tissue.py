"""What tissue has which HU in a drawn CT, by label and by place."""

import cv2
import numpy as np

from gateway.imaging.maisi.anatomy.lattice import Noise
from gateway.imaging.maisi.labels import BODY, LABELS

SKIN_MM = 2.0
WALL_MM = 12.0
"""Thickness of the muscles of the belly's wall."""


def _indices(*words: str) -> np.ndarray:
    """Give a table of 256: which labels' names hold one of the words."""
    table = np.zeros(256, bool)
    for label in LABELS.values():
        table[label.index] = any(word in label.name for word in words)
    return table


BONE = np.zeros(256, bool)
BONE[[label.index for label in LABELS.values() if label.quality_group == "bone"]] = True
LUNG = _indices("lobe")
MUSCLE = _indices("gluteus", "autochthon", "iliopsoas")
AIRWAY = _indices("trachea", "airway")
GUT = _indices("stomach", "duodenum", "small bowel", "colon") & ~_indices("primaries")
VISCERA = ~(BONE | LUNG | MUSCLE | _indices("cartilages", "spinal cord", "brain", "lesion"))
VISCERA[[0, BODY]] = False

ARTERIES = ("aorta", "artery", "brachiocephalic trunk")
VEINS = ("vena", "vein", "portal")
# HU of what has a label: without contrast, in the arterial phase, in the venous phase.
PHASES = {
    "liver": (56, 68, 106),
    "spleen": (48, 112, 116),
    "kidney": (33, 152, 172),
    "pancreas": (40, 98, 92),
    "adrenal": (30, 65, 72),
    "gallbladder": (9, 9, 10),
    "stomach": (36, 45, 50),
    "duodenum": (36, 48, 55),
    "small bowel": (36, 50, 60),
    "colon": (36, 45, 52),
    "esophagus": (38, 46, 52),
    "bladder": (6, 6, 8),
    "prostate": (42, 55, 66),
    "thyroid": (105, 140, 150),
    "heart": (42, 190, 135),
    "appendage": (40, 230, 140),
    "gluteus": (56, 58, 62),
    "autochthon": (52, 54, 58),
    "iliopsoas": (56, 58, 62),
    "brain": (34, 36, 38),
    "spinal cord": (32, 34, 36),
    "cartilages": (95, 95, 98),
    "cyst": (6, 6, 7),
    "hepatic tumor": (40, 52, 66),
    "hepatic vessel": (42, 120, 165),
    "lung tumor": (35, 55, 65),
    "pancreatic tumor": (34, 50, 62),
    "colon cancer": (38, 62, 78),
    "bone lesion": (45, 60, 75),
    "pulmonary vein": (42, 240, 140),
}
FAT_HU, MUSCLE_HU, SKIN_HU, FLUID_HU = -102.0, 56.0, 10.0, 12.0
AIR_HU = -1000.0


def label_hu(phase: int, rng: np.random.Generator) -> np.ndarray:
    """Give each label's mean HU in one of three phases, float32 (256,); others fill bone, lung and body."""
    table = np.full(256, MUSCLE_HU, np.float32)
    vessels = dict.fromkeys(ARTERIES, (42, 310, 160)) | dict.fromkeys(VEINS, (42, 110, 150))
    for words in (vessels, PHASES):
        for word, values in words.items():
            table[_indices(word)] = values[phase] * rng.uniform(0.9, 1.1)
    table[AIRWAY] = AIR_HU
    table[LUNG] = rng.uniform(-880, -810)
    table[0] = AIR_HU
    return table


def waves(
    rng: np.random.Generator, shape: tuple[int, ...], spacing_mm: np.ndarray, step_mm: float
) -> np.ndarray:
    """Give smooth noise of about unit amplitude over a volume, float32 [x, y, z]."""
    size = np.array(shape) * spacing_mm
    noise = Noise.draw(rng, (0.0, 0.0, 0.0), size, step_mm)
    x, y, z = (np.arange(n) * mm for n, mm in zip(shape, spacing_mm, strict=True))
    return noise.on((x, y, z))


def blurred(mask: np.ndarray, sigma_mm: float, spacing_mm: np.ndarray) -> np.ndarray:
    """Blur a volume by a Gaussian, float32 [x, y, z]."""
    volume = np.ascontiguousarray(mask, np.float32)
    out = np.empty_like(volume)
    sx, sy, sz = np.maximum(sigma_mm / spacing_mm, 1e-3)
    for k in range(volume.shape[2]):
        out[:, :, k] = cv2.GaussianBlur(volume[:, :, k], (0, 0), sigmaX=sy, sigmaY=sx)
    flat = out.reshape(-1, out.shape[2])
    if sz > 0.2:
        size = (2 * int(np.ceil(3 * sz)) + 1, 1)
        flat = np.asarray(cv2.GaussianBlur(flat, size, sigmaX=sz, sigmaY=1e-3), np.float32)
    return np.asarray(flat.reshape(volume.shape))


def depth_mm(inside: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Give how deep each voxel lies in a mask, in its axial slice, float32 [x, y, z]."""
    depth = np.empty(inside.shape, np.float32)
    deepest = max(inside.shape[:2])  # a slice that is all inside has no edge to measure from
    for k in range(inside.shape[2]):
        page = np.ascontiguousarray(inside[:, :, k], np.uint8)
        depth[:, :, k] = np.minimum(cv2.distanceTransform(page, cv2.DIST_L2, 5), deepest)
    return depth * np.float32(spacing_mm[0])


def body_mask(labels: np.ndarray) -> np.ndarray:
    """Give what is inside the skin, air of the head included: bool [x, y, z]."""
    inside = np.empty(labels.shape, bool)
    for k in range(labels.shape[2]):
        framed = np.pad((labels[:, :, k] == 0).astype(np.uint8), 1, constant_values=1)
        cv2.floodFill(framed, None, (0, 0), (2.0,))
        inside[:, :, k] = framed[1:-1, 1:-1] != 2
    return inside


def fill_body(hu: np.ndarray, labels: np.ndarray, spacing_mm: np.ndarray, rng: np.random.Generator) -> None:
    """Fill what has no label of its own: skin, fat, muscle, and fluid about the brain."""
    depth = depth_mm(body_mask(labels), spacing_mm)
    viscera, bone = VISCERA[labels], BONE[labels]
    fat = _fat_mm(depth, viscera, bone)
    flesh = bone | MUSCLE[labels] | (labels == LABELS["costal cartilages"].index)
    score = 1.3 * blurred(flesh, 7.0, spacing_mm) - blurred(viscera, 9.0, spacing_mm)
    score += 0.05 * waves(rng, labels.shape, spacing_mm, 9.0) + 0.02
    edge = fat * (1 + 0.25 * waves(rng, labels.shape, spacing_mm, 45.0))
    muscle = (score > 0) | (depth < edge + WALL_MM)
    tissue = np.where(muscle & (depth > edge), np.float32(MUSCLE_HU), np.float32(FAT_HU))
    tissue[depth < SKIN_MM] = SKIN_HU
    tissue[blurred(labels == LABELS["brain"].index, 3.0, spacing_mm) > 0.04] = FLUID_HU
    body = labels == BODY
    hu[body] = tissue[body]


def _fat_mm(depth: np.ndarray, viscera: np.ndarray, bone: np.ndarray) -> float:
    """Guess the thickness of the fat under the skin from how deep organs and bones lie."""
    guesses = [24.0]
    if viscera.any():
        guesses.append(float(np.percentile(depth[viscera], 1)) - WALL_MM - 3)
    if bone.any():
        guesses.append(float(np.percentile(depth[bone], 8)) - 7)
    return max(2.5, min(guesses))
