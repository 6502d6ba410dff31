"""Labels as segments of a DICOM SEG."""

from pydicom.sr.coding import Code

from gateway.imaging.maisi.labels import Coded, Label
from gateway.imaging.results.segmentation import Segment


def segment_of(label: Label) -> Segment:
    """Give what a label means in coded words."""
    return Segment(
        label.name,
        _code(label.type),
        _code(label.category),
        modifier=None if label.modifier is None else _code(label.modifier),
        anatomic_region=None if label.anatomic_region is None else _code(label.anatomic_region),
        rgb=label.rgb,
    )


def _code(coded: Coded) -> Code:
    return Code(coded.value, coded.scheme, coded.meaning)
