"""The known film that the canary sends: a small synthetic DICOM file."""

import functools
from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

SIDE_PX = 64


@functools.cache
def canary_film() -> bytes:
    """Build the film: two dark fields between bright borders, 64 by 64 pixels, 8 bit."""
    row = 128 + 100 * np.cos(np.linspace(0, 4 * np.pi, SIDE_PX))
    pixels = np.tile(row.astype(np.uint8), (SIDE_PX, 1))
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID("2.25.1")
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.Modality, dataset.PatientID, dataset.PatientName = "CR", "CANARY", "Canary"
    dataset.Rows = dataset.Columns = SIDE_PX
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = pixels.tobytes()
    target = BytesIO()
    dataset.save_as(target, enforce_file_format=True)
    return target.getvalue()
