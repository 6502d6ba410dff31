"""The Image Pixel module (PS3.3 C.7.6.3): checked, and complete with its defaults."""

from typing import Any, NamedTuple

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from gateway.imaging.dicom.attributes import numbers, text
from gateway.imaging.errors import ImageError, MissingAttribute, WrongGeometry

MAX_ROWS_COLUMNS = 16384
MAX_PIXELS = 2**27

_GREY = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"})
_COLOUR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})


class ImagePixel(NamedTuple):
    """The module's values, after `complete`."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    planar: bool
    photometric: str
    frames: int

    @classmethod
    def of(cls, dataset: Dataset) -> "ImagePixel":
        """Collect them."""
        return cls(
            int(dataset.Rows),
            int(dataset.Columns),
            int(dataset.SamplesPerPixel),
            int(dataset.BitsAllocated),
            int(dataset.BitsStored),
            int(dataset.HighBit),
            dataset.PixelRepresentation == 1,
            dataset.PlanarConfiguration == 1,
            str(dataset.PhotometricInterpretation),
            int(dataset.NumberOfFrames),
        )

    @property
    def is_subsampled(self) -> bool:
        """Two pixels share their chroma: two samples per pixel in native pixel data (C.7.6.3.1.2)."""
        return self.photometric == "YBR_FULL_422" and self.samples == 3

    @property
    def frame_bits(self) -> int:
        """Bits of one frame of native pixel data."""
        return self.rows * self.columns * (2 if self.is_subsampled else self.samples) * self.bits_allocated

    @property
    def frame_bytes(self) -> int:
        """Bytes of one native frame with all its samples, padded to even length."""
        return 2 * -(-self.rows * self.columns * self.samples * self.bits_allocated // 16)

    @property
    def lowest_bit(self) -> int:
        """Where a stored value begins (PS3.5 §8.1.1)."""
        return self.high_bit + 1 - self.bits_stored

    def options(self) -> dict[str, Any]:
        """Describe one frame to pydicom's decoders, whose values end at bit `bits_stored` - 1.

        Bits above are cut off and the sign is extended in every transfer syntax alike: pydicom's own
        corrections for JPEG-LS and JPEG 2000 trust the codestream where the header says how many bits count.
        """
        return {
            "rows": self.rows,
            "columns": self.columns,
            "samples_per_pixel": self.samples,
            "bits_allocated": self.bits_allocated,
            "bits_stored": self.high_bit + 1,
            "number_of_frames": 1,
            "photometric_interpretation": self.photometric,
            "pixel_keyword": "PixelData",
            "pixel_representation": int(self.signed and self.samples == 1),
            "planar_configuration": int(self.planar),
            "correct_unused_bits": True,
            "apply_j2k_sign_correction": False,
            "apply_jls_sign_correction": False,
        }


def complete(dataset: Dataset) -> None:
    """Check the Image Pixel module (PS3.3 C.7.6.3) and put its defaults in place."""
    rows, columns = _integer(dataset, "Rows"), _integer(dataset, "Columns")
    if not (
        1 <= rows <= MAX_ROWS_COLUMNS and 1 <= columns <= MAX_ROWS_COLUMNS and rows * columns <= MAX_PIXELS
    ):
        raise WrongGeometry(
            f"{rows} rows by {columns} columns; up to {MAX_ROWS_COLUMNS} and {MAX_PIXELS} pixels are read"
        )
    samples = _integer(dataset, "SamplesPerPixel", 1)
    if samples not in (1, 3):
        raise WrongGeometry(f"SamplesPerPixel is {samples}; 1 and 3 are read")
    allocated = _integer(dataset, "BitsAllocated")
    if allocated not in ((1, 8, 16, 32) if samples == 1 else (8, 16)):
        raise WrongGeometry(f"BitsAllocated is {allocated}; 1, 8, 16 and 32 are read, in colour 8 and 16")
    stored = _integer(dataset, "BitsStored", allocated)
    if not 1 <= stored <= allocated:
        stored = allocated
    high = _integer(dataset, "HighBit", stored - 1)
    frames = max(1, _integer(dataset, "NumberOfFrames", 1))
    checked: dict[str, int | str] = {
        "Rows": rows,
        "Columns": columns,
        "SamplesPerPixel": samples,
        "PhotometricInterpretation": _photometric(dataset, samples),
        "BitsAllocated": allocated,
        "BitsStored": stored,
        "HighBit": high if stored - 1 <= high < allocated else stored - 1,
        "PixelRepresentation": int(_integer(dataset, "PixelRepresentation", 0) == 1),
        "PlanarConfiguration": int(_integer(dataset, "PlanarConfiguration", 0) == 1),
        "NumberOfFrames": min(frames, 2**31 - 1),
    }
    for keyword, value in checked.items():  # with the right VR, whatever the file's was
        dataset.add_new(keyword, dictionary_VR(keyword), value)


def _integer(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    values = numbers(dataset, keyword)
    if values:
        return int(values[0])
    if default is None:
        raise MissingAttribute(f"the DICOM attribute {keyword} {Tag(keyword)} is missing or not a number")
    return default


def _photometric(dataset: Dataset, samples: int) -> str:
    """Give Photometric Interpretation, checked against the number of samples (PS3.3 C.7.6.3.1.2)."""
    photometric = text(dataset, "PhotometricInterpretation").strip().upper()
    if not photometric:
        return "MONOCHROME2" if samples == 1 else "RGB"
    if photometric not in (_GREY if samples == 1 else _COLOUR):
        raise ImageError(f"PhotometricInterpretation is not one that is read for {samples} samples per pixel")
    return photometric
