"""Every label as a segment."""

import pytest

from gateway.imaging.maisi.labels import LABELS
from gateway.imaging.maisi.segments import segment_of


@pytest.mark.parametrize("label", LABELS.values(), ids=list(LABELS))
def test_every_label_is_coded(label):
    segment = segment_of(label)
    assert (segment.label, segment.property_type.scheme_designator) == (label.name, "SCT")
    assert segment.property_type.value.isdigit()
    assert segment.property_category.value in ("123037004", "49755003")


def test_sides_are_modifiers():
    left, right = (segment_of(LABELS[f"{side} kidney"]) for side in ("left", "right"))
    assert left.property_type == right.property_type
    assert (left.modifier.meaning, right.modifier.meaning) == ("Left", "Right")
