"""Labels of a synthetic CT as a DICOM segmentation that refers to its series."""

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset

from gateway.imaging.results.segmentation import Segment, segmentation
from gateway.imaging.volume.ct_series import SyntheticCT, ct_headers, lps_planes


def label_segmentation(labels: np.ndarray, segments: Sequence[Segment], ct: SyntheticCT) -> Dataset:
    """Write labels as a binary SEG in the study of their CT.

    Parameters
    ----------
    labels
        uint8 (x, y, z), RAS: 0 is background, n is `segments[n - 1]`.
    segments
        At least one.

    Raises
    ------
    WrongGeometry
        The labels do not fit the volume or the segments.
    """
    result = segmentation(ct_headers(ct), lps_planes(labels), segments, model=ct.model, stamp=ct.stamp)
    result.SyntheticData = "YES"
    result.SeriesDescription = "SYNTHETIC"
    return result
