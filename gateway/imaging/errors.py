"""What can be wrong with an image.

ImageError                       the image cannot be assessed; the sentence says why
├─ UnsupportedFormat             the file is of another kind than those that are read
├─ UnsupportedTransferSyntax     no decoder for the pixel data's encoding
├─ MissingAttribute              a DICOM attribute that is needed is not there
├─ CorruptImage                  the file is damaged or ends too early
├─ WrongGeometry                 sizes that are out of bounds or contradict each other
│   └─ TooManyPixels             more than are decoded
└─ WrongContent                  decodable, but not the kind of image that was asked for
"""


class ImageError(ValueError):
    """The image cannot be assessed; the message says what was expected and what came."""


class UnsupportedFormat(ImageError):
    """The file is neither of the formats that are read; only its first bytes were looked at."""


class UnsupportedTransferSyntax(ImageError):
    """No decoder is at hand for the pixel data's transfer syntax."""


class MissingAttribute(ImageError):
    """A DICOM attribute that is needed is absent or empty."""


class CorruptImage(ImageError):
    """The file is damaged or ends too early: not every pixel is there."""


class WrongGeometry(ImageError):
    """Rows, columns or frames are out of bounds, or header and pixel data contradict each other."""


class TooManyPixels(WrongGeometry):
    """The header announces more pixels than are decoded."""


class WrongContent(ImageError):
    """The image is readable but not of the kind asked for: another modality, body part or view."""
