from contextlib import suppress

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imaging.dicom import codestreams, plugins, read_image, stored_values
from gateway.imaging.errors import ImageError, UnsupportedTransferSyntax, WrongGeometry
from gateway.imaging.radiograph import render_radiograph
from tests import dicom_files as files

FILM = files.film()
SHARED = files.SHARED / "dicom"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="shared/data/dicom is not here")


def values(file: bytes) -> np.ndarray:
    return stored_values(read_image(file))


@pytest.mark.parametrize("syntax", files.LOSSLESS)
@pytest.mark.parametrize(
    "pixels",
    [FILM, (FILM >> 4).astype(np.uint8), FILM.astype(np.int16) - 2000, np.full((1, 1), 7, np.uint16)],
    ids=["uint16", "uint8", "int16", "one pixel"],
)
def test_every_lossless_syntax_gives_the_same_stored_values(syntax, pixels):
    if syntax == files.JPEG_2000 and pixels.size == 1:
        pytest.skip("the encoder refuses one pixel")
    decoded = values(files.dicom_file(pixels, syntax))
    assert decoded.dtype == pixels.dtype
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize("syntax", files.LOSSLESS)
def test_every_lossless_syntax_gives_the_same_film(syntax):
    window = {"WindowCenter": 2000, "WindowWidth": 4000, "PhotometricInterpretation": "MONOCHROME1"}
    expected = render_radiograph(read_image(files.dicom_file(FILM, **window)))
    film = render_radiograph(read_image(files.dicom_file(FILM, syntax, **window)))
    np.testing.assert_array_equal(film.pixels, expected.pixels)
    assert film.notes == expected.notes


@pytest.mark.parametrize("syntax", files.LOSSLESS)
def test_colour_survives_every_lossless_syntax(syntax):
    pixels = np.stack([FILM >> 4, FILM >> 5, 255 - (FILM >> 4)], axis=-1).astype(np.uint8)
    np.testing.assert_array_equal(values(files.dicom_file(pixels, syntax)), pixels)


@needs_shared
def test_the_reference_film_is_the_same_in_its_four_lossless_encodings():
    films = [
        values((SHARED / f"wg04_rg2_hip_{kind}.dcm").read_bytes()) for kind in ("rle", "j2kr", "jlsl", "jpll")
    ]
    for film in films[1:]:
        np.testing.assert_array_equal(film, films[0])


@needs_shared
def test_twelve_bit_jpeg_with_a_zero_spectral_end_is_decoded():
    lossy = values((SHARED / "wg04_rg2_hip_jply.dcm").read_bytes())
    lossless = values((SHARED / "wg04_rg2_hip_rle.dcm").read_bytes())
    assert lossy.shape == lossless.shape
    assert np.abs(lossy.astype(int) - lossless).mean() < 5


# One pixel of 16 bits, written in little endian; value by hand.
@pytest.mark.parametrize(
    ("word", "bits_stored", "high_bit", "signed", "expected"),
    [
        (0x0ABC, 12, 11, 0, 0x0ABC),
        (0xFABC, 12, 11, 0, 0x0ABC),  # an overlay in the unused bits
        (0xABC5, 12, 15, 0, 0x0ABC),  # left-justified
        (0x0800, 12, 11, 1, -2048),
        (0x07FF, 12, 11, 1, 2047),
        (0x0FFF, 12, 11, 1, -1),
        (0xFFFF, 16, 15, 1, -1),
        (0xFFFF, 16, 15, 0, 65535),
        (0xFABC, 12, 3, 0, 0x0ABC),  # a High Bit that cannot be: BitsStored - 1
        (0xFABC, 12, 40, 0, 0x0ABC),
        (0x1234, 0, 11, 0, 0x1234),  # BitsStored that cannot be: BitsAllocated
    ],
)
def test_stored_bits_are_cut_out_and_signed(word, bits_stored, high_bit, signed, expected):
    pixel = np.array([[word]], np.uint16)
    file = files.dicom_file(pixel, BitsStored=bits_stored, HighBit=high_bit, PixelRepresentation=signed)
    assert values(file).item() == expected


@pytest.mark.parametrize("syntax", [files.JPEG_LS, files.JPEG_2000, files.JPEG_LOSSLESS])
def test_the_header_says_the_sign_of_a_codestream_that_has_none(syntax):
    pixels = np.array([[0, 0x0800], [0x0FFF, 0x07FF]], np.uint16).repeat(4, 0).repeat(4, 1)
    file = files.dicom_file(pixels, syntax, BitsStored=12, HighBit=11, PixelRepresentation=1)
    assert values(file)[::4, ::4].tolist() == [[0, -2048], [-1, 2047]]


def test_a_codestream_with_another_sign_than_the_header_is_reinterpreted():
    (path,) = [p for p in files.TEST_FILES if p.name == "J2K_pixelrep_mismatch.dcm"]
    assert values(path.read_bytes())[0, 0] == -2000  # padding; unsigned it would be 6192


def test_one_bit_pixels_are_unpacked():
    file = files.dicom_file(
        np.array([[0b00000101, 0]], np.uint8), Rows=2, Columns=3, BitsAllocated=1, BitsStored=1, HighBit=0
    )
    assert values(file).tolist() == [[1, 0, 1], [0, 0, 0]]


def test_thirty_two_bit_pixels_are_read():
    pixels = np.array([[0, 70000], [2**31, 5]], np.uint32)
    np.testing.assert_array_equal(values(files.dicom_file(pixels)), pixels)


def test_a_palette_is_expanded():
    ramp = np.array([0, 100, 200], "<u2")
    palette = {
        f"{colour}PaletteColorLookupTable{part}": value
        for colour, table in (("Red", ramp), ("Green", ramp + 1), ("Blue", ramp + 2))
        for part, value in (("Descriptor", [3, 10, 16]), ("Data", table.tobytes()))
    }
    index = np.array([[9, 10], [11, 12], [13, 255]], np.uint8)  # below, first, …, last, above
    file = files.dicom_file(index, PhotometricInterpretation="PALETTE COLOR", **palette)
    assert values(file)[..., 0].tolist() == [[0, 0], [100, 200], [200, 200]]
    assert values(file)[1, 1].tolist() == [200, 201, 202]


def palette_file(index, table, entries, bits):
    palette = {
        f"{colour}PaletteColorLookupTable{part}": value
        for colour in ("Red", "Green", "Blue")
        for part, value in (("Descriptor", [entries, 0, bits]), ("Data", table))
    }
    return files.dicom_file(index, PhotometricInterpretation="PALETTE COLOR", **palette)


def test_a_padded_palette_of_eight_bits_is_read():
    file = palette_file(np.array([[0, 1, 2, 9]], np.uint8), bytes([10, 20, 30, 0]), 3, 8)
    assert values(file)[0, :, 0].tolist() == [10, 20, 30, 30]


def test_an_index_above_a_palette_of_eight_bits_is_its_last_colour():
    file = palette_file(np.array([[0, 255, 256, 999]], np.uint16), bytes(range(256)), 256, 8)
    assert values(file)[0, :, 0].tolist() == [0, 255, 255, 255]


def test_a_palette_that_is_not_there_is_an_image_error():
    with pytest.raises(ImageError, match="palette"):
        values(files.dicom_file(np.zeros((2, 2), np.uint8), PhotometricInterpretation="PALETTE COLOR"))


# YBR to RGB by hand: PS3.3 C.7.6.3.1.2, e.g. (76, 85, 255) is red.
@pytest.mark.parametrize(
    ("ybr", "rgb"),
    [((76, 85, 255), (254, 0, 0)), ((128, 128, 128), (128, 128, 128)), ((255, 128, 128), (255, 255, 255))],
)
def test_ybr_becomes_rgb(ybr, rgb):
    pixels = np.array([[ybr, ybr]], np.uint8)
    file = files.dicom_file(pixels, PhotometricInterpretation="YBR_FULL")
    assert values(file)[0, 0].tolist() == list(rgb)
    planar = files.dicom_file(
        np.array([[[ybr[0]] * 2 + [ybr[1]]], [[ybr[1]] + [ybr[2]] * 2]], np.uint8).reshape(1, 2, 3),
        PhotometricInterpretation="YBR_FULL", PlanarConfiguration=1,
    )  # fmt: skip
    assert values(planar)[0, 1].tolist() == list(rgb)


def test_uncompressed_ybr_with_half_the_chroma_is_read():
    pairs = np.array([[76, 76, 85, 255]], np.uint8)  # Y1 Y2 Cb Cr
    dataset = files.chest_header(
        Rows=1, Columns=2, SamplesPerPixel=3, BitsAllocated=8, BitsStored=8, HighBit=7, PlanarConfiguration=0,
        PhotometricInterpretation="YBR_FULL_422", PixelData=pairs.tobytes(),
    )  # fmt: skip
    dataset["PixelData"].VR = "OB"
    assert values(files.written(dataset, files.EXPLICIT)).tolist() == [[[254, 0, 0], [254, 0, 0]]]


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL_422"])
def test_jpeg_colours_come_out_as_rgb(photometric):
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 255
    decoded = values(files.dicom_file(red, files.JPEG_BASELINE, PhotometricInterpretation="YBR_FULL_422"))
    assert np.abs(decoded.astype(int) - red).max() <= 3


@pytest.mark.parametrize(
    "syntax", [s for s in files.LOSSLESS if s not in (files.RLE, files.DEFLATED_FRAME)][4:]
)
def test_a_codestream_of_another_size_is_refused_undecoded(syntax):
    with pytest.raises(WrongGeometry):
        read_image(files.dicom_file(FILM, syntax, Rows=20, Columns=24))


def test_an_rle_header_with_another_number_of_segments_is_refused():
    with pytest.raises(WrongGeometry, match="segments"):
        read_image(files.dicom_file(FILM, files.RLE, BitsAllocated=8, BitsStored=8, HighBit=7))


@pytest.mark.parametrize(
    "syntax", [s for s in files.LOSSLESS if s.startswith("1.2.840.10008.1.2.4") or s == files.RLE]
)
def test_a_codestream_that_is_cut_off_is_an_image_error(syntax):
    file = files.dicom_file(FILM, syntax)
    for keep in (0, 4, 20, 60, 90, len(file) // 2 - 300):
        dataset = pydicom.Dataset()
        dataset.update(read_image(file))
        dataset.file_meta = read_image(file).file_meta
        frame = codestreams.first_frame(dataset.PixelData, 1)[:keep]
        dataset.PixelData = pydicom.encaps.encapsulate([frame or b"\0"])
        with pytest.raises(ImageError):
            stored_values(dataset)


def with_frame(frame, syntax, **attributes):
    """Give a sound dataset with another frame in it."""
    dataset = read_image(files.dicom_file(FILM, syntax, **attributes))
    dataset.PixelData = pydicom.encaps.encapsulate([frame])
    return dataset


def test_one_stack_decodes():
    for uid in plugins.DECODER_DEPENDENCIES:
        assert plugins.decoder_of(uid).available_plugins == ("radgate",)


def test_pydicom_itself_decodes_with_the_plugins(tmp_path):
    for syntax in (files.RLE, files.JPEG_LS, files.JPEG_2000, files.JPEG_LOSSLESS):
        (tmp_path / "film.dcm").write_bytes(files.dicom_file(FILM, syntax))
        np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "film.dcm").pixel_array, FILM)


@given(st.data())
@pytest.mark.parametrize(
    "syntax", [s for s in files.LOSSLESS if s.startswith(f"{files.IMPLICIT}.4") or s == files.RLE]
)
def test_damage_anywhere_in_a_codestream_is_an_image_error_or_harmless(syntax, data):
    frame = bytearray(files.encoded(FILM, syntax))
    for _ in range(data.draw(st.integers(1, 6))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ImageError):
        assert stored_values(with_frame(bytes(frame), syntax)).shape == FILM.shape


def test_a_box_without_length_around_a_jpeg_2000_does_not_hang():
    signature = bytes.fromhex("0000000c6a5020200d0a870a") + bytes(8)
    frame = signature + files.encoded(FILM, files.JPEG_2000)
    np.testing.assert_array_equal(stored_values(with_frame(frame, files.JPEG_2000)), FILM)


@pytest.mark.parametrize("syntax", [files.RLE, files.JPEG_LS])
def test_a_decoder_out_of_memory_is_not_the_images_fault(syntax, monkeypatch):
    def fail(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(plugins, "decode_pixel_data", fail)
    monkeypatch.setattr(plugins.imagecodecs, "jpegls_decode", fail)
    with pytest.raises(MemoryError):
        values(files.dicom_file(FILM, syntax))


def test_a_panic_in_rust_is_an_image_error(monkeypatch):
    class PanicException(BaseException):
        """As pyo3 has it."""

    def panic(*arguments, **options):
        raise PanicException

    monkeypatch.setattr(plugins, "decode_pixel_data", panic)
    with pytest.raises(ImageError):
        values(files.dicom_file(FILM, files.RLE))


def test_a_native_image_under_a_compressed_syntax_is_still_read():
    file = files.dicom_file(FILM).replace(
        b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI\x14\x001.2.840.10008.1.2.5\0"
    )
    np.testing.assert_array_equal(values(file), FILM)


def test_a_compressed_image_under_a_native_syntax_is_refused():
    file = files.dicom_file(FILM, files.RLE).replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.1\0")
    with pytest.raises(UnsupportedTransferSyntax, match="compressed"):
        read_image(file)


@pytest.mark.parametrize("has_bot", [True, False])
@pytest.mark.parametrize("fragments", [1, 3])
def test_the_first_of_several_frames_is_found(has_bot, fragments):
    frames = [files.encoded(film, files.JPEG_LS) for film in (FILM, FILM // 2, FILM // 3)]
    value = pydicom.encaps.encapsulate(frames, fragments_per_frame=fragments, has_bot=has_bot)
    dataset = read_image(files.dicom_file(FILM, files.JPEG_LS, NumberOfFrames=3))
    dataset.PixelData = value
    np.testing.assert_array_equal(stored_values(dataset), FILM)
