"""What can be wrong with an image.

ImageError                       the image cannot be assessed; the sentence says why
├─ UnsupportedTransferSyntax     no decoder for the pixel data's encoding
├─ MissingAttribute              a DICOM attribute that is needed is not there
├─ WrongGeometry                 sizes that are out of bounds or contradict each other
└─ WrongContent                  decodable, but not the kind of image that was asked for
"""


class ImageError(ValueError):
    """The image cannot be assessed; the message says what was expected and what came."""


class UnsupportedTransferSyntax(ImageError):
    """No decoder is at hand for the pixel data's transfer syntax."""


class MissingAttribute(ImageError):
    """A DICOM attribute that is needed is absent or empty."""


class WrongGeometry(ImageError):
    """Rows, columns or frames are out of bounds, or header and pixel data contradict each other."""


class WrongContent(ImageError):
    """The image is readable but not of the kind asked for: another modality, body part or view."""
