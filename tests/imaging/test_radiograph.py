import math

import numpy as np
import pytest
from pydicom.dataset import Dataset

from gateway.imaging.dicom import read_header, read_image, stored_values
from gateway.imaging.errors import WrongContent
from gateway.imaging.grey_scale import apply, tones_of, window
from gateway.imaging.radiograph import film_box, render_radiograph, require_chest_radiograph, square_input
from tests import dicom_files as files

SHARED = files.SHARED / "dicom"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="shared/data/dicom is not here")


def rendered(pixels, **attributes):
    return render_radiograph(read_image(files.dicom_file(np.asarray(pixels), **attributes)))


def row(values, dtype=np.uint16, **attributes):
    """Render one row of pixels."""
    film = rendered(np.array([values], dtype), **attributes)
    return film.pixels[0].tolist()


# PS3.3 C.11.2.1.2.1: c = 2048, w = 4096 maps 0 to 0 and 4095 to 255.
@pytest.mark.parametrize(
    ("function", "center", "width", "value", "grey"),
    [
        ("LINEAR", 2048, 4096, 0, 0.0),
        ("LINEAR", 2048, 4096, 4095, 1.0),
        ("LINEAR", 2048, 4096, 2047.5, 0.5),
        ("LINEAR", 2048, 1, 2047, 0.0),  # C.11.2.1.2.1: w = 1 is a threshold at c - 0.5
        ("LINEAR", 2048, 1, 2048, 1.0),
        ("LINEAR", 0, 100, -49.5 - 0.5, 0.0),
        ("LINEAR_EXACT", 50, 100, 0, 0.0),
        ("LINEAR_EXACT", 50, 100, 25, 0.25),
        ("LINEAR_EXACT", 50, 100, 100, 1.0),
        ("LINEAR_EXACT", 50, 100, 300, 1.0),
        ("SIGMOID", 100, 40, 100, 0.5),
        ("SIGMOID", 100, 40, 110, 1 / (1 + math.exp(-1))),
        ("SIGMOID", 100, 40, 90, 1 / (1 + math.exp(1))),
        ("NO SUCH FUNCTION", 2048, 4096, 4095, 1.0),
    ],
)
def test_windows_follow_the_standard(function, center, width, value, grey):
    assert window(function, center, width)(np.array([value], float)).item() == pytest.approx(grey, abs=1e-9)


def test_a_window_is_applied():
    assert row([0, 1000, 2000, 4095], WindowCenter=1000, WindowWidth=2001) == [0, 128, 255, 255]


def test_of_several_windows_the_first_counts():
    several = row([0, 1000, 2000, 4095], WindowCenter=[1000, 3000], WindowWidth=[2001, 10])
    assert several == [0, 128, 255, 255]


def test_rescale_comes_before_the_window():
    values = row([0, 500, 1000], RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=0, WindowWidth=2001)
    assert values == [0, 128, 255]


@pytest.mark.parametrize(("center", "width"), [(100, 0), (100, -5), (100, 0.5), (10**9, 10)])
def test_a_void_window_is_ignored_and_percentiles_used(center, width):
    film = rendered(np.arange(1000, dtype=np.uint16).reshape(25, 40), WindowCenter=center, WindowWidth=width)
    assert (film.pixels.min(), film.pixels.max()) == (0, 255)
    assert film.notes[0].startswith("window ignored")
    assert film.notes[1] == "percentile window used"


def test_without_a_window_percentiles_span_the_grey_scale():
    film = rendered(np.arange(1001, dtype=np.uint16).reshape(7, 143))
    # 0.5 % of 0 … 1000 is 5, 99.5 % is 995: 500 lies in the middle.
    assert film.pixels.ravel()[[0, 5, 500, 995, 1000]].tolist() == [0, 0, 128, 255, 255]
    assert film.notes == ("percentile window used",)


def test_a_uniform_film_does_not_fail():
    assert row([7] * 9) == [0] * 9


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted", "mismatch"),
    [
        ("MONOCHROME2", None, False, False),
        ("MONOCHROME2", "IDENTITY", False, False),
        ("MONOCHROME1", None, True, False),
        ("MONOCHROME1", "INVERSE", True, False),  # the same said twice: inverted once
        ("MONOCHROME1", "IDENTITY", True, True),
        ("MONOCHROME2", "INVERSE", False, True),  # dcm4chee-arc-light #3155: the shape is wrong
    ],
)
def test_photometric_interpretation_alone_decides_on_inversion(photometric, shape, inverted, mismatch):
    film = rendered(
        np.array([[0, 1000, 2000]], np.uint16), PhotometricInterpretation=photometric,
        PresentationLUTShape=shape, WindowCenter=1000.5, WindowWidth=2001,
    )  # fmt: skip
    assert film.pixels[0].tolist() == ([255, 128, 0] if inverted else [0, 128, 255])
    assert any("PresentationLUTShape" in note for note in film.notes) == mismatch


def test_inversion_comes_after_the_window():
    # Inverted first, 3000 would become 62535 and be clipped to white by this window.
    film = row(
        [1000, 2000, 3000], PhotometricInterpretation="MONOCHROME1", WindowCenter=2000.5, WindowWidth=2001
    )
    assert film == [255, 128, 0]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_does_not_count(photometric):
    values = [65535, 65500, *range(1000, 1201)]
    film = row(
        values, PhotometricInterpretation=photometric, PixelPaddingValue=65535, PixelPaddingRangeLimit=65500
    )
    assert film[:2] == [0, 0]
    assert sorted((film[2], film[-1])) == [0, 255]
    assert 120 <= film[102] <= 135


def test_padding_has_the_sign_of_the_pixels():
    file = files.dicom_file(np.array([[-2000, *range(101)]], np.int16), PixelPaddingValue=-2000)
    film = render_radiograph(read_image(file)).pixels[0]
    assert (film[0], film[1], film[-1]) == (0, 0, 255)
    assert 120 <= film[51] <= 135


def lut(descriptor, data):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", descriptor)
    item.add_new("LUTData", "OW" if isinstance(data, bytes) else "US", data)
    return [item]


LUT = [10, 20, 30, 40]


@pytest.mark.parametrize("data", [LUT, np.array(LUT, "<u2").tobytes()], ids=["US", "OW"])
@pytest.mark.parametrize("syntax", [files.EXPLICIT, files.IMPLICIT, files.DEFLATED])
def test_a_voi_lut_is_applied_before_a_window(data, syntax):
    sequence = lut([4, 100, 8], data)
    film = row(
        [99, 100, 101, 103, 200], syntax=syntax, VOILUTSequence=sequence, WindowCenter=1, WindowWidth=9
    )
    assert film == [10, 10, 20, 40, 40]


def test_a_voi_lut_in_bytes_of_eight_bits_is_unpacked():
    assert row([0, 1, 2, 3], VOILUTSequence=lut([4, 0, 8], bytes([10, 20, 30, 40]))) == [10, 20, 30, 40]


def test_a_modality_lut_replaces_the_rescale():
    film = row(
        [0, 1, 2, 9], ModalityLUTSequence=lut([3, 0, 16], [0, 1000, 2000]),
        RescaleSlope=50, RescaleIntercept=7, WindowCenter=1000.5, WindowWidth=2001,
    )  # fmt: skip
    assert film == [0, 128, 255, 255]


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"WindowCenter": 500, "WindowWidth": 900},
        {"WindowCenter": 500, "WindowWidth": 900, "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": 1500, "WindowWidth": 900, "VOILUTFunction": "LINEAR_EXACT", "RescaleSlope": 1.7},
        {"RescaleSlope": -0.3, "RescaleIntercept": 2000, "PhotometricInterpretation": "MONOCHROME1"},
        {"VOILUTSequence": lut([4, 100, 8], LUT)},
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32])
def test_the_table_is_exactly_the_formula(attributes, dtype):
    values = np.random.default_rng(1).integers(*(np.iinfo(dtype).min, np.iinfo(dtype).max), (90, 70), dtype)
    dataset = read_image(files.dicom_file(values, PixelPaddingValue=3, **attributes))
    stored = stored_values(dataset)
    tones = tones_of(stored, dataset)
    np.testing.assert_array_equal(apply(tones, stored), tones.film(stored))


def test_linear_detector_data_are_logarithmed_and_bone_comes_out_bright():
    raw = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1.1", "PresentationIntentType": "FOR PROCESSING"}
    counts = np.geomspace(10, 10000, 101).astype(np.uint16)[None]  # bone lets few photons through
    film = rendered(counts, PixelIntensityRelationship="LIN", PixelIntensityRelationshipSign=1, **raw)
    assert (film.pixels[0, 0], film.pixels[0, -1]) == (255, 0)
    assert 110 <= film.pixels[0, 50] <= 145
    assert "FOR PROCESSING image" in film.notes


def test_a_window_on_raw_data_is_not_used():
    film = rendered(
        np.arange(101, dtype=np.uint16)[None],
        PresentationIntentType="FOR PROCESSING",
        WindowCenter=5,
        WindowWidth=3,
    )
    assert film.notes == ("FOR PROCESSING image", "percentile window used")


def test_colour_becomes_luma():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    film = rendered(colours)
    assert film.pixels[0].tolist() == [76, 150, 29, 255]  # 0.299, 0.587, 0.114
    assert film.notes == ("converted from colour",)


def test_twelve_bit_colour_fills_the_grey_scale():
    assert rendered(np.full((2, 2, 3), 4095, np.uint16), BitsStored=12, HighBit=11).pixels.min() == 255


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        ({"PixelSpacing": [0.2, 0.1]}, (40, 30)),  # rows lie twice as far apart as columns
        ({"PixelSpacing": [0.1, 0.2]}, (20, 60)),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (40, 30)),
        ({"PixelAspectRatio": [2, 1]}, (40, 30)),
        ({"PixelSpacing": [0, 0], "PixelAspectRatio": [2, 1]}, (40, 30)),
        ({"PixelSpacing": [0.1, 0.1]}, (40, 60)),
        ({"PixelSpacing": [0.1, 1000]}, (40, 60)),
        ({}, (40, 60)),
    ],
)
def test_pixels_become_square(attributes, shape):
    film = rendered(np.arange(2400, dtype=np.uint16).reshape(40, 60), **attributes)
    assert film.pixels.shape == shape
    assert ("resampled to square pixels" in film.notes) == (shape != (40, 60))


def test_several_frames_are_noted():
    dataset = files.chest_header(
        Rows=2, Columns=2, SamplesPerPixel=1, BitsAllocated=8, BitsStored=8, HighBit=7, NumberOfFrames=2,
        PixelData=bytes([0, 0, 255, 255, 9, 9, 9, 9]),
    )  # fmt: skip
    film = render_radiograph(read_image(files.written(dataset, files.EXPLICIT)))
    assert film.pixels.tolist() == [[0, 0], [255, 255]]
    assert "several frames: the first used" in film.notes


@pytest.mark.parametrize(
    "attributes",
    [
        {"RescaleSlope": 1e300, "RescaleIntercept": -1e300},
        {"WindowCenter": 1e300, "WindowWidth": 1e-300},
        {"WindowCenter": 0, "WindowWidth": 1e308, "VOILUTFunction": "SIGMOID"},
        {"VOILUTSequence": lut([0, 0, 99], [1])},
        {"ModalityLUTSequence": []},
    ],
)
def test_hostile_numbers_do_not_fail(attributes):
    assert rendered(files.film(), **attributes).pixels.shape == (24, 20)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        *(("Modality", m) for m in ("CT", "MR", "US", "MG", "NM", "PT", "XA", "IO", "SR")),
        *(("BodyPartExamined", b) for b in ("HIP", "BREAST", "ABDOMEN", "hand")),
        *(("ViewPosition", v) for v in ("LL", "RL", "LATERAL", "lateral")),
    ],
)
def test_what_is_no_frontal_chest_radiograph_is_named(attribute, value):
    header = read_header(files.dicom_file(files.film(), **{attribute: value}))
    with pytest.raises(WrongContent, match=f"{attribute}: expected .*{value.upper()}"):
        require_chest_radiograph(header)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"Modality": "DX"},
        {"Modality": "OT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
        {"Modality": None, "BodyPartExamined": None, "ViewPosition": None},
        {"Modality": "", "BodyPartExamined": "", "ViewPosition": ""},
        {"BodyPartExamined": "THORAX"},
        {"BodyPartExamined": "LUNGS"},
        {"ViewPosition": "AP"},
    ],
)
def test_what_may_be_a_frontal_chest_radiograph_passes(attributes):
    require_chest_radiograph(read_header(files.dicom_file(files.film(), **attributes)))


def test_a_message_quotes_no_free_text():
    header = read_header(files.dicom_file(files.film(), BodyPartExamined="ANNA: SEE FILM"))
    with pytest.raises(WrongContent, match="something else"):
        require_chest_radiograph(header)


@pytest.mark.parametrize(
    ("shape", "box"),
    [((512, 512), (0, 0, 1, 1)), ((1000, 500), (0, 0.25, 1, 0.75)), ((300, 400), (0.125, 0, 0.875, 1))],
)
def test_a_film_lies_centred_in_the_square(shape, box):
    assert film_box(*shape) == pytest.approx(box)
    square = square_input(np.full(shape, 255, np.uint8), 64)
    assert (square.shape, square.dtype) == ((1, 64, 64), np.float32)
    inside = np.zeros((64, 64), bool)
    top, left, bottom, right = (round(64 * side) for side in box)
    inside[top:bottom, left:right] = True
    np.testing.assert_array_equal(square[0], inside.astype(np.float32))


@pytest.mark.parametrize("shape", [(1, 1), (1, 16384), (3000, 1), (37, 53), (2140, 1760)])
def test_any_shape_fits_the_square(shape):
    square = square_input(np.full(shape, 255, np.uint8), 96)
    assert square.max() == 1
    assert square.min() >= 0


def lungs_and_mediastinum(film):
    """Give the mean grey of two lung fields and of the mediastinum between them."""
    rows, columns = film.shape
    band = film[int(0.35 * rows) : int(0.5 * rows)].astype(float)
    lungs = np.hstack([band[:, int(a * columns) : int(b * columns)] for a, b in ((0.2, 0.35), (0.65, 0.8))])
    return lungs.mean(), band[:, int(0.45 * columns) : int(0.55 * columns)].mean()


@needs_shared
@pytest.mark.parametrize("name", ["rsna_chest_pa", "wg04_rg1_chest_j2k", "wg04_rg1_chest_jpegls"])
def test_lungs_are_dark_in_real_films_of_either_photometric_interpretation(name):
    film = render_radiograph(read_image((SHARED / f"{name}.dcm").read_bytes())).pixels
    lungs, mediastinum = lungs_and_mediastinum(film)
    assert mediastinum > lungs + 30


@needs_shared
def test_a_relabelled_film_is_the_negative():
    films = [
        render_radiograph(read_image((SHARED / f"rsna_chest_pa{label}.dcm").read_bytes())).pixels
        for label in ("", "_as_monochrome1")
    ]
    assert np.abs(films[0].astype(int) + films[1] - 255).max() <= 1


@needs_shared
@pytest.mark.parametrize(
    ("name", "attribute"),
    [("wg04_rg2_hip_rle", "BodyPartExamined"), ("wg04_mg1_breast_j2k", "BodyPartExamined")],
)
def test_films_of_other_parts_of_the_body_are_refused(name, attribute):
    with pytest.raises(WrongContent, match=attribute):
        require_chest_radiograph(read_header((SHARED / f"{name}.dcm").read_bytes()))
