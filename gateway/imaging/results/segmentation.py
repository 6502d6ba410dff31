"""DICOM SEG of a mask over one image or a series of slices."""

from collections.abc import Sequence
from typing import NamedTuple

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from gateway import __version__
from gateway.imaging.dicom.attributes import numbers, text
from gateway.imaging.errors import WrongGeometry
from gateway.imaging.results.codes import Model
from gateway.imaging.results.instance import (
    MANUFACTURER,
    SERIAL_NUMBER,
    Kind,
    ascii_text,
    complete,
    instance_uid,
    series_uid,
)
from gateway.imaging.results.source import evidence, require_references
from gateway.imaging.results.stamp import Stamp, uid

_GEOMETRY = (
    "FrameOfReferenceUID", "PositionReferenceIndicator", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "Rows", "Columns", "Modality",
)  # fmt: skip
_LENGTHS = ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices")


class Segment(NamedTuple):
    """What one label of a mask means."""

    label: str
    property_type: Code
    """Such as Code("39607008", "SCT", "Lung")."""
    property_category: Code = Code("123037004", "SCT", "Anatomical Structure")
    modifier: Code | None = None
    """Such as Code("7771000", "SCT", "Left")."""
    anatomic_region: Code | None = None
    """Where it lies, for what is no structure of the anatomy itself."""
    rgb: tuple[int, int, int] | None = None
    """Colour to show it in, sRGB."""


def segmentation(
    sources: Sequence[Dataset],
    mask: NDArray[np.integer],
    segments: Sequence[Segment],
    *,
    model: Model,
    stamp: Stamp,
) -> Dataset:
    """Write a mask as a binary SEG in the sources' study.

    Parameters
    ----------
    sources
        Headers of the segmented images, one per slice, in the order of the mask's slices.
    mask
        (rows, columns) for one source or (slices, rows, columns), any integer type: 0 is background,
        n is `segments[n - 1]`.

    Raises
    ------
    MissingAttribute
        A source cannot be referred to.
    WrongGeometry
        Mask and sources differ in size, or the mask has labels without a segment.

    References
    ----------
    DICOM PS3.3 A.51, C.8.20.
    """
    for source in sources:
        require_references(source)
    slices = mask[np.newaxis] if mask.ndim == 2 else mask
    _require_fit(sources, slices, len(segments))
    result = hd.seg.Segmentation(
        source_images=[_evidence(source) for source in sources],
        pixel_array=slices.astype(np.uint16),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _description(number, segment, sources[0], model, stamp)
            for number, segment in enumerate(segments, 1)
        ],
        series_instance_uid=series_uid(sources[0], Kind.SEGMENTATION, stamp),
        series_number=Kind.SEGMENTATION.series_number,
        sop_instance_uid=instance_uid(sources[0], Kind.SEGMENTATION, stamp),
        instance_number=stamp.number,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=ascii_text(model.name),
        software_versions=__version__,
        device_serial_number=SERIAL_NUMBER,
        content_label="SEGMENTATION",
        content_description=ascii_text(f"Made by software: {model.name} {model.version}")[:64],
    )
    _fix_dimension_organization(result, sources[0], stamp)
    if "FrameOfReferenceUID" not in result:
        result.PatientOrientation = None
    return complete(result, sources[0], Kind.SEGMENTATION, stamp, model.name)


def _require_fit(sources: Sequence[Dataset], slices: np.ndarray, labels: int) -> None:
    if len(sources) != len(slices):
        raise WrongGeometry(f"the mask has {len(slices)} slices for {len(sources)} images")
    for source in sources:
        size = [int((numbers(source, keyword) or [0])[0]) for keyword in ("Rows", "Columns")]
        if size != list(slices.shape[1:]):
            raise WrongGeometry(
                f"the image has {size[0]} rows and {size[1]} columns, the mask {slices.shape[1]} and "
                f"{slices.shape[2]}"
            )
    if slices.size and not 0 <= int(slices.min()) <= int(slices.max()) <= labels:
        raise WrongGeometry(f"the mask has labels outside 0 to {labels}")


def _evidence(source: Dataset) -> Dataset:
    """Give what highdicom needs of the image; spacings of zero count as absent."""
    image = evidence(source)
    for keyword in _GEOMETRY:
        if keyword in source and (keyword not in _LENGTHS or min(numbers(source, keyword), default=0) > 0):
            setattr(image, keyword, source[keyword].value)
    return image


def _description(
    number: int, segment: Segment, source: Dataset, model: Model, stamp: Stamp
) -> hd.seg.SegmentDescription:
    label = ascii_text(segment.label)[:64]
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=segment.property_category,
        segmented_property_type=segment.property_type,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=ascii_text(model.name)[:64],
            family=codes.DCM.ArtificialIntelligence,
            version=ascii_text(model.version)[:64],
        ),
        tracking_id=label,
        tracking_uid=uid(stamp.job_id, text(source, "SOPInstanceUID").strip(), "segment", str(number)),
        anatomic_regions=[segment.anatomic_region] if segment.anatomic_region else None,
        display_color=hd.color.CIELabColor.from_rgb(*segment.rgb) if segment.rgb else None,
    )
    if segment.modifier:
        (kind,) = description.SegmentedPropertyTypeCodeSequence
        kind.SegmentedPropertyTypeModifierCodeSequence = [hd.sr.CodedConcept.from_code(segment.modifier)]
    return description


def _fix_dimension_organization(result: Dataset, source: Dataset, stamp: Stamp) -> None:
    """Give the dimension organization, which highdicom names at random, a UID of the job's."""
    fixed = uid(stamp.job_id, text(source, "SOPInstanceUID").strip(), "dimensions")
    for item in (*result.DimensionOrganizationSequence, *result.DimensionIndexSequence):
        item.DimensionOrganizationUID = fixed
