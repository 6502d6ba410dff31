"""Encapsulated PDF of a report."""

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from gateway.imaging.results.codes import IMAGING_STUDY, Model
from gateway.imaging.results.instance import Kind, ascii_text, complete
from gateway.imaging.results.picture import code_item
from gateway.imaging.results.source import reference, require_references
from gateway.imaging.results.stamp import Stamp


def document(source: Dataset, pdf: bytes, title: str, *, model: Model, stamp: Stamp) -> Dataset:
    """Wrap a PDF as a DICOM object in the source's study.

    Raises
    ------
    MissingAttribute
        The source cannot be referred to.

    References
    ----------
    DICOM PS3.3 A.45.1, C.24.2.
    """
    require_references(source)
    result = Dataset()
    result.SOPClassUID = EncapsulatedPDFStorage
    result.Modality = "DOC"
    result.ConversionType = "WSD"
    result.AcquisitionDateTime = None
    result.BurnedInAnnotation = "YES"  # the report states whom it is about
    result.SourceInstanceSequence = [reference(source)]
    result.VerificationFlag = "UNVERIFIED"
    result.DocumentTitle = ascii_text(title)
    result.ConceptNameCodeSequence = [code_item(IMAGING_STUDY)]
    result.MIMETypeOfEncapsulatedDocument = "application/pdf"
    result.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    result.EncapsulatedDocumentLength = len(pdf)
    return complete(result, source, Kind.DOCUMENT, stamp, model.name)
