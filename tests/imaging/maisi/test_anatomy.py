"""The drawn anatomy, by what is true of every body."""

import cv2
import numpy as np
import pytest

from gateway.imaging.errors import WrongContent
from gateway.imaging.maisi.anatomy import draw_anatomy
from gateway.imaging.maisi.labels import BY_INDEX, LABELS, TUMOURS

LITTLE = {"output_size": (48, 48, 32), "spacing_mm": (3.0, 3.0, 3.0), "body_regions": ["abdomen"]}
WHOLE = {"output_size": (64, 64, 128), "spacing_mm": (6.5, 6.5, 11.0), "body_regions": ["head", "lower"]}
TUMOUR_INDICES = [LABELS[name].index for name in TUMOURS]
CYSTS = ["left kidney cyst", "right kidney cyst"]


def draw(base=LITTLE, *, names=(), sizes=None, seed=1, **other):
    asked = {**base, "anatomy_names": names, "organ_sizes": sizes or {}, "seed": seed, **other}
    return draw_anatomy(**asked)


def millilitres(labels, name, spacing):
    return float((labels == LABELS[name].index).sum() * np.prod(spacing)) / 1000


def middle(labels, name):
    return np.argwhere(labels == LABELS[name].index).mean(0)


@pytest.fixture(scope="module")
def whole():
    return draw(WHOLE, names=[*(n for n in LABELS if n not in (*TUMOURS, *CYSTS)), *CYSTS])


def test_has_every_name_in_one_whole_body(whole):
    assert whole.dtype == np.uint8
    assert whole.shape == WHOLE["output_size"]
    expected = {0, 200, *(label.index for label in LABELS.values())} - set(TUMOUR_INDICES)
    assert set(np.unique(whole)) == expected
    assert expected <= {0, *BY_INDEX}


def test_lies_in_ras_axes(whole):
    for name in LABELS:
        if name.startswith("right "):
            other = name.replace("right ", "left ")
            if other in LABELS:
                assert middle(whole, name)[0] > middle(whole, other)[0], name
    assert middle(whole, "liver")[0] > middle(whole, "spleen")[0]  # right, left
    assert middle(whole, "sternum")[1] > middle(whole, "vertebrae T6")[1]  # front, back
    assert middle(whole, "brain")[2] > middle(whole, "heart")[2] > middle(whole, "bladder")[2]
    heights = [middle(whole, f"vertebrae {v}")[2] for v in ("L5", "L3", "T12", "T6", "T1", "C4", "C1")]
    assert heights == sorted(heights)


def test_is_the_same_to_the_byte():
    first, again, other = (draw(seed=seed) for seed in (7, 7, 8))
    assert first.tobytes() == again.tobytes()
    assert (first != other).mean() > 0.02


def test_says_when_a_tumour_has_no_organ_to_grow_in():
    with pytest.raises(WrongContent, match="hepatic tumor cannot be in a body whose liver is left out"):
        draw(sizes={"hepatic tumor": 0.5, "liver": -1})
    with pytest.raises(WrongContent, match="Not in the field of view: brain"):
        draw(names=["brain"], output_size=(32, 32, 32))


def test_draws_the_wing_of_a_hip_bone_in_one_piece():
    labels = draw(output_size=(128, 96, 8), spacing_mm=(3.0, 3.0, 10.0), body_regions=["pelvis"])
    for page in labels.T[4:]:  # above the socket
        for name in ("left hip", "right hip"):
            count, _ = cv2.connectedComponents((page == LABELS[name].index).astype(np.uint8))
            assert count == 2  # one is what is not bone
