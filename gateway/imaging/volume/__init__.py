"""Volumes in files: NIfTI, NRRD, DICOM series and segmentations, all of the same voxels and positions."""

from gateway.imaging.volume.geometry import Geometry
from gateway.imaging.volume.nifti import write_nifti
from gateway.imaging.volume.nrrd import write_nrrd

__all__ = ["Geometry", "write_nifti", "write_nrrd"]
