"""DICOM files from anywhere: bytes in, a header or stored values out, within bounds, or an ImageError.

`reading` finds what a file says (`elements` walks its bytes, `attributes` reads values), `decoding`
what its pixels are (`plugins` gives pydicom its decoders, `codestreams` sizes frames before they are
decoded), `study` who and what it shows.
"""

from gateway.imaging.dicom.decoding import stored_values
from gateway.imaging.dicom.image_pixel import MAX_PIXELS, MAX_ROWS_COLUMNS
from gateway.imaging.dicom.reading import (
    MAX_FILE_BYTES,
    MAX_HEADER_BYTES,
    MAX_INFLATED_BYTES,
    read_header,
    read_image,
    read_patient_id,
)

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_HEADER_BYTES",
    "MAX_INFLATED_BYTES",
    "MAX_PIXELS",
    "MAX_ROWS_COLUMNS",
    "read_header",
    "read_image",
    "read_patient_id",
    "stored_values",
]
