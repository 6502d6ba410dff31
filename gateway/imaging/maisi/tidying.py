"""What is cleaned out of a generated mask: specks, holes, and tumours that nobody asked for."""

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

from gateway.imaging.maisi.labels import BODY, HOSTS, LABELS, TUMOURS

_CUBE = np.ones((3, 3, 3), bool)
_GUT = tuple(LABELS[name].index for name in ("stomach", "duodenum", "small bowel", "colon"))
_LOOSE_GUT = tuple(LABELS[name].index for name in ("small bowel", "colon"))
_WHOLE = tuple(
    LABELS[name].index
    for name in (
        "liver", "pancreas", "gallbladder", "stomach", "spleen",
        *(name for name in LABELS if name.endswith("lobe")),
        "right kidney", "left kidney", "duodenum", "aorta", "inferior vena cava",
        "right adrenal gland", "left adrenal gland",
    )
)  # fmt: skip
"""Structures in one piece each."""
_BONES_AND_BRANCHES = tuple(range(LABELS["vertebrae L5"].index, LABELS["right iliac artery"].index + 1))
"""Vertebrae, trachea and iliac arteries, which are in one piece, too, unless a lesion parts them."""
_SCATTERED = ("hepatic tumor", "bone lesion")
"""Tumours that come in several pieces."""


def tidy(labels: np.ndarray, tumour: str | None) -> None:
    """Clean a mask up, in place.

    Parameters
    ----------
    labels
        uint8 [x, y, z], native indices.
    tumour
        The one that was asked for.

    References
    ----------
    MONAI, `general_mask_generation_post_process` of bundle `maisi_ct_generative`, but for what it mends
    around tumours of lung, liver and colon.
    """
    vessel, airway = (labels == LABELS[name].index for name in ("hepatic vessel", "airway"))
    body = ndimage.binary_erosion(labels > 0, _CUBE, border_value=1)
    labels[~ndimage.binary_dilation(_largest(body), _CUBE)] = 0
    grown = _tidy_tumours(labels, tumour)
    whole = _WHOLE if tumour == "bone lesion" else _WHOLE + _BONES_AND_BRANCHES
    _drop_specks(labels, whole)
    gut = np.isin(labels, _GUT)
    labels[gut & ~_largest(gut) & np.isin(labels, _LOOSE_GUT)] = BODY
    for index in whole:
        _close(labels, index)
    labels[vessel & (labels > 0)] = LABELS["liver"].index
    labels[airway & (labels > 0)] = LABELS["airway"].index
    if tumour is not None:
        labels[grown] = LABELS[tumour].index


def _tidy_tumours(labels: np.ndarray, asked: str | None) -> np.ndarray:
    """Give tumours that are not asked for back to their organs; gives where the asked one is."""
    for tumour in TUMOURS:
        index = LABELS[tumour].index
        if tumour != asked:
            host = BODY if tumour == "bone lesion" else LABELS[HOSTS[tumour][0]].index
            labels[labels == index] = host
            continue
        _close(labels, index)
        if tumour not in _SCATTERED:
            _drop_specks(labels, [index])
    return np.zeros(labels.shape, bool) if asked is None else labels == LABELS[asked].index


def _largest(mask: np.ndarray) -> np.ndarray:
    """Give the largest piece of a mask, bool; voxels that touch at a corner hang together."""
    pieces, count = ndimage.label(mask, _CUBE)
    if count < 2:
        return mask
    return np.asarray(pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]))


def _drop_specks(labels: np.ndarray, indices: Iterable[int]) -> None:
    """Leave of each structure its largest piece."""
    boxes = ndimage.find_objects(labels, 255)
    for index in indices:
        if (box := boxes[index - 1]) is not None:
            view = labels[box]
            mask = view == index
            view[mask & ~_largest(mask)] = BODY


def _close(labels: np.ndarray, index: int) -> None:
    """Fill a structure's holes and clefts that are two voxels wide."""
    (box,) = ndimage.find_objects((labels == index).view(np.uint8)) or (None,)
    if box is not None:
        view = labels[box]
        framed = np.pad(view == index, 1)
        view[ndimage.binary_closing(framed, _CUBE)[1:-1, 1:-1, 1:-1]] = index
