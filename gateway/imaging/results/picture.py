"""Secondary Capture of a picture made from a chest radiograph: a heatmap, a drawing of landmarks."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import SecondaryCaptureImageStorage

from gateway.imaging.dicom.attributes import numbers, text
from gateway.imaging.results.codes import SOURCE_IMAGE, Model
from gateway.imaging.results.instance import Kind, ascii_text, complete
from gateway.imaging.results.source import reference, require_references
from gateway.imaging.results.stamp import Stamp


def picture(
    source: Dataset, pixels: NDArray[np.uint8], description: str, *, model: Model, stamp: Stamp
) -> Dataset:
    """Wrap a colour picture as a Secondary Capture in the source's study.

    Parameters
    ----------
    source
        Header of the image it was made from.
    pixels
        uint8 (rows, columns, 3), RGB.
    description
        How it was made; up to 1024 characters.

    Returns
    -------
    Without pixel spacing: nothing is to be measured in it.

    Raises
    ------
    MissingAttribute
        The source cannot be referred to.

    References
    ----------
    DICOM PS3.3 A.8.1, C.7.6.1, C.8.6.
    """
    require_references(source)
    result = Dataset()
    result.SOPClassUID = SecondaryCaptureImageStorage
    result.Modality = "OT"
    result.ConversionType = "WSD"
    result.ImageType = ["DERIVED", "SECONDARY"]
    result.BodyPartExamined = "CHEST"  # all that these models look at; unpaired, hence without laterality
    result.DerivationDescription = ascii_text(description)[:1024]
    result.SourceImageSequence = [_source_image(source)]
    _inherit(result, source)
    _set_pixels(result, pixels)
    return complete(result, source, Kind.PICTURE, stamp, model.name)


def code_item(code: Code) -> Dataset:
    """Give an item of a code sequence."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def _source_image(source: Dataset) -> Dataset:
    item = reference(source)
    item.PurposeOfReferenceCodeSequence = [code_item(SOURCE_IMAGE)]
    return item


def _inherit(result: Dataset, source: Dataset) -> None:
    """Take over what is true of the source's pixels and therefore of these.

    Where the source does not say whether its pixels show who the patient is, neither does this.
    """
    orientation = text(source, "PatientOrientation").split("\\")
    is_pair = len(orientation) == 2 and all(each and set(each) <= set("APRLHF") for each in orientation)
    result.PatientOrientation = orientation if is_pair else None
    burned_in = text(source, "BurnedInAnnotation").strip().upper()
    if burned_in in ("YES", "NO"):
        result.BurnedInAnnotation = burned_in
    if text(source, "LossyImageCompression").strip() == "01":
        result.LossyImageCompression = "01"
        ratio = numbers(source, "LossyImageCompressionRatio")
        if ratio:
            result.LossyImageCompressionRatio = ratio


def _set_pixels(result: Dataset, pixels: NDArray[np.uint8]) -> None:
    result.Rows, result.Columns = pixels.shape[:2]
    result.SamplesPerPixel = 3
    result.PhotometricInterpretation = "RGB"
    result.PlanarConfiguration = 0
    result.BitsAllocated = result.BitsStored = 8
    result.HighBit = 7
    result.PixelRepresentation = 0
    data = np.ascontiguousarray(pixels, np.uint8).tobytes()
    result.add_new("PixelData", "OB", data + b"\0" * (len(data) % 2))
