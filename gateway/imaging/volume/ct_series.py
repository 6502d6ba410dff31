"""A synthetic CT volume as a series of CT Images, and in one Legacy Converted Enhanced CT."""

from collections.abc import Iterator
from typing import NamedTuple

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from gateway import __version__
from gateway.imaging.results.codes import Model
from gateway.imaging.results.instance import IMPLEMENTATION_CLASS_UID, MANUFACTURER, ascii_text
from gateway.imaging.results.stamp import Stamp, uid
from gateway.imaging.volume.geometry import Geometry

WINDOW_CENTER_HU, WINDOW_WIDTH_HU = 40, 400
PATIENT_NAME = "SYNTHETIC^CT"


class SyntheticCT(NamedTuple):
    """What a series says beside its voxels."""

    geometry: Geometry
    model: Model
    stamp: Stamp
    """Its number tells one volume of a job from another: patient, study and all UIDs follow from it."""
    description: str
    """How it came to be, such as its seed; ASCII."""
    body_part: str = "WHOLEBODY"
    """Body Part Examined, a term of CID 4 without sides."""

    def uid(self, *parts: str) -> UID:
        """Give a UID of this volume's."""
        return uid(self.stamp.job_id, "synthetic ct", str(self.stamp.number), *parts)


def ct_headers(ct: SyntheticCT) -> list[Dataset]:
    """Give the header of each slice, from the feet up, without pixels.

    References
    ----------
    DICOM PS3.3 A.3 CT Image IOD, C.7.6.2 Image Plane; C.12.1 for Synthetic Data (0008,001C).
    """
    return [_header(ct, index) for index in range(ct.geometry.size[2])]


def ct_slices(image_hu: np.ndarray, ct: SyntheticCT) -> Iterator[Dataset]:
    """Give a series slice by slice, from the feet up.

    Parameters
    ----------
    image_hu
        int16 (x, y, z), RAS, in Hounsfield units; whatever can be sliced along z.
    """
    for index, header in enumerate(ct_headers(ct)):
        plane = np.ascontiguousarray(lps_planes(image_hu[:, :, index : index + 1])[0], "<i2")
        header.PixelData = plane.tobytes()
        header["PixelData"].VR = "OW"
        header.SmallestImagePixelValue, header.LargestImagePixelValue = int(plane.min()), int(plane.max())
        yield header


def enhanced_ct(image_hu: np.ndarray, ct: SyntheticCT) -> Dataset:
    """Give the volume as one multi-frame object: Legacy Converted Enhanced CT.

    The plain Enhanced CT asks for facts of an acquisition, of which a synthetic volume has none.
    """
    image = hd.legacy.LegacyConvertedEnhancedCTImage(
        list(ct_slices(image_hu, ct)),
        series_instance_uid=ct.uid("enhanced series"),
        series_number=2,
        sop_instance_uid=ct.uid("enhanced"),
        instance_number=1,
    )
    kind = ["DERIVED", "PRIMARY", "VOLUME", "NONE"]  # PS3.3 C.8.16.1.3
    image.ImageType = kind
    image.SharedFunctionalGroupsSequence[0].CTImageFrameTypeSequence[0].FrameType = kind
    image.pop("ReferencedSeriesSequence", None)
    image.SyntheticData = "YES"
    return image


def lps_planes(voxels: np.ndarray) -> np.ndarray:
    """Turn (x, y, z), RAS, into DICOM's (slice, row, column): to the left, to the back, from the feet up."""
    planes: np.ndarray = voxels[::-1, ::-1].transpose(2, 1, 0)
    return planes


def _header(ct: SyntheticCT, index: int) -> Dataset:
    header = Dataset()
    header.file_meta = _file_meta(ct, index)
    header.SOPClassUID = CTImageStorage
    header.SOPInstanceUID = ct.uid("slice", str(index))
    header.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    header.Modality = "CT"
    header.BodyPartExamined = ct.body_part
    _say_that_it_is_synthetic(header, ct)
    _file_it(header, ct)
    _set_geometry(header, ct.geometry, index)
    _describe_pixels(header, ct.geometry)
    return header


def _file_meta(ct: SyntheticCT, index: int) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = ct.uid("slice", str(index))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = f"RADGATE_{__version__}"[:16]
    return meta


def _say_that_it_is_synthetic(header: Dataset, ct: SyntheticCT) -> None:
    header.SyntheticData = "YES"
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = "SYNTHETIC: there is no patient"
    header.SeriesDescription = "SYNTHETIC"
    header.StudyDescription = "SYNTHETIC"
    header.DerivationDescription = ascii_text(ct.description)[:1024]
    header.ImageComments = "SYNTHETIC CT"
    header.BurnedInAnnotation = "NO"


def _file_it(header: Dataset, ct: SyntheticCT) -> None:
    at = ct.stamp.at
    header.PatientName = PATIENT_NAME
    header.PatientID = f"SYNTHETIC-{ct.stamp.job_id.replace('-', '')[:12]}-{ct.stamp.number}"
    header.PatientBirthDate = ""
    header.PatientSex = ""
    header.StudyInstanceUID = ct.uid("study")
    header.SeriesInstanceUID = ct.uid("series")
    header.FrameOfReferenceUID = ct.uid("frame of reference")
    header.PositionReferenceIndicator = ""
    header.StudyID = "1"
    header.SeriesNumber = 1
    header.AccessionNumber = ""
    header.ReferringPhysicianName = ""
    for part in ("Study", "Series", "Acquisition", "Content", "InstanceCreation"):
        setattr(header, f"{part}Date", at.strftime("%Y%m%d"))
        setattr(header, f"{part}Time", at.strftime("%H%M%S"))
    header.TimezoneOffsetFromUTC = "+0000"
    header.Manufacturer = MANUFACTURER
    header.ManufacturerModelName = ascii_text(ct.model.name)[:64]
    header.SoftwareVersions = [__version__, ascii_text(ct.model.version)[:64]]


def _set_geometry(header: Dataset, geometry: Geometry, index: int) -> None:
    x, y, z = geometry.spacing_mm
    # Both horizontal axes are turned round, so the first voxel is the last one of the volume.
    first = geometry.affine_ras @ [geometry.size[0] - 1, geometry.size[1] - 1, index, 1]
    position = [-first[0], -first[1], first[2]]
    header.PatientPosition = "HFS"
    header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    header.ImagePositionPatient = [_decimal(value) for value in position]
    header.PixelSpacing = [_decimal(y), _decimal(x)]
    header.SliceThickness = _decimal(z)
    header.SpacingBetweenSlices = _decimal(z)
    header.SliceLocation = _decimal(position[2])
    header.InstanceNumber = index + 1
    header.AcquisitionNumber = 1
    header.KVP = None


def _describe_pixels(header: Dataset, geometry: Geometry) -> None:
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.Rows, header.Columns = geometry.size[1], geometry.size[0]
    header.BitsAllocated = header.BitsStored = 16
    header.HighBit = 15
    header.PixelRepresentation = 1
    header.RescaleSlope, header.RescaleIntercept, header.RescaleType = 1, 0, "HU"
    header.WindowCenter, header.WindowWidth = WINDOW_CENTER_HU, WINDOW_WIDTH_HU


def _decimal(value: float) -> str:
    """Write a number in the sixteen characters that a decimal string has (PS3.5 6.2)."""
    value = float(value) + 0.0
    return next(text for digits in range(14, 0, -1) if len(text := f"{value:.{digits}g}") <= 16)
