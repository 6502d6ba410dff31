"""JPEG and PNG files of every kind: read as they are meant, or refused in a sentence."""

import io
import struct
import time
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from gateway.imaging.errors import CorruptImage, ImageError, TooManyPixels, UnsupportedFormat
from gateway.imaging.exif import Exif, read_exif
from gateway.imaging.picture import MAX_PIXELS, Probe, probe, read_colour, read_picture
from tests.imaging.picture_files import CHANNELS, PNG, chunk, header_chunk, jpeg, png, tiff

RNG = np.random.default_rng(7)
SOFT = cv2.resize(RNG.integers(0, 256, (16, 20), np.uint8), (320, 256), interpolation=cv2.INTER_CUBIC)
COLOUR = np.stack([SOFT, np.roll(SOFT, 40, 1), 255 - SOFT], axis=2)
LUMA = np.rint(COLOUR @ (0.299, 0.587, 0.114)).astype(int)


def pixels(data):
    return read_picture(data).pixels


def difference(data, expected):
    return np.abs(pixels(data).astype(int) - expected).mean()


def random_samples(bits, colour, rows=9, columns=13):
    shape = (rows, columns, CHANNELS[colour])
    return RNG.integers(0, 2**bits, shape if CHANNELS[colour] > 1 else shape[:2], np.uint16)


def exif_jpeg(stored, **fields):
    """A JPEG with an EXIF segment right after its start."""
    segment = b"Exif\0\0" + tiff(**fields)
    data = jpeg(stored, quality=100)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]


# What a file is


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (jpeg(SOFT), Probe("JPEG", 320, 256)),
        (jpeg(COLOUR, progressive=True), Probe("JPEG", 320, 256)),
        (exif_jpeg(SOFT, orientation=6), Probe("JPEG", 320, 256)),  # as stored
        (png(SOFT), Probe("PNG", 320, 256)),
    ],
)
def test_tells_format_and_size_from_the_header_alone(data, expected):
    assert probe(data) == expected
    assert probe(data[:600] if expected.format == "JPEG" else data[:33]) == expected


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"GIF89a" + b"\0" * 50, b"BM", b"RIFF1234WEBP", b"%PDF-1.7", PNG[:7]]
)
def test_other_formats_are_unsupported(data):
    for read in (probe, read_picture):
        with pytest.raises(UnsupportedFormat, match=r"^Unsupported image format$"):
            read(data)


@pytest.mark.parametrize(("width", "height"), [(10_000, 5_001), (5_001, 10_000), (65_536, 1), (2**31, 2**31)])
def test_too_many_pixels_are_refused_before_anything_is_decoded(width, height):
    data = (
        PNG + header_chunk(width, height) + chunk(b"IDAT", zlib.compress(b"\0" * 10**6)) + chunk(b"IEND", b"")
    )
    tracemalloc.start()
    with pytest.raises(TooManyPixels, match=f"{width} x {height} pixels, at most 50 megapixels"):
        read_picture(data)
    assert tracemalloc.get_traced_memory()[1] < 10**5
    tracemalloc.stop()


def test_fifty_megapixels_are_let_in():
    assert probe(PNG + header_chunk(10_000, MAX_PIXELS // 10_000)).height == 5_000
    data = bytearray(jpeg(SOFT))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 8_000, 7_000)
    with pytest.raises(TooManyPixels):
        probe(bytes(data))


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"\xff\xd8" + b"\xff\xe0\0\x02" * 5_000,
        b"\xff\xd8\xff" + b"\xff" * 5_000_000,
        PNG,
        PNG + header_chunk(5, 5)[:-5],
        PNG + chunk(b"IDAT", b""),
        PNG + header_chunk(0, 5),
    ],
)
def test_a_header_without_a_size_is_damage_and_found_at_once(data):
    started = time.perf_counter()
    with pytest.raises(CorruptImage):
        probe(data)
    assert time.perf_counter() - started < 1.0


def test_a_probe_costs_no_more_for_a_long_file():
    data = PNG + header_chunk(5, 5) + bytes(10 * 2**20)
    started = time.perf_counter()
    for _ in range(1_000):
        probe(data)
    assert time.perf_counter() - started < 0.5


# JPEG


def test_a_grey_jpeg_is_its_pixels():
    assert difference(jpeg(SOFT), SOFT) < 1.0


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 2}, {"restart_marker_rows": 1}]
)
def test_a_colour_jpeg_is_its_luma(options):
    assert difference(jpeg(COLOUR, **options), LUMA) < 2.0


def test_the_colours_of_printing_are_taken_as_inverted():
    inverted = jpeg(COLOUR, mode="CMYK")
    assert b"Adobe" in inverted
    assert difference(inverted, LUMA) < 2.0
    assert difference(inverted.replace(b"Adobe", b"Other"), LUMA) < 2.0


def cut(data, share):
    return data[: int(len(data) * share)]


END = b"\xff\xd9"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(cut(jpeg(SOFT), 0.5), id="half"),
        pytest.param(cut(jpeg(SOFT), 0.97), id="almost all"),
        pytest.param(cut(jpeg(SOFT), 0.5) + END, id="half, with an end"),
        pytest.param(cut(jpeg(SOFT, progressive=True), 0.5), id="half of the scans"),
        pytest.param(cut(jpeg(COLOUR), 0.7), id="colour"),
        pytest.param(cut(jpeg(COLOUR, mode="CMYK"), 0.7), id="printing colours"),
        pytest.param(jpeg(SOFT)[:400], id="header only"),
        pytest.param(jpeg(SOFT).replace(b"\xff\xdb", b"\xff\xe5"), id="no quantization"),
    ],
)
def test_a_jpeg_of_which_a_part_is_missing_is_not_read_as_half_grey(data):
    with pytest.raises(CorruptImage, match="damaged or end too early"):
        read_picture(data)


def test_a_broken_restart_interval_is_noticed():
    data = bytearray(jpeg(SOFT, restart_marker_rows=1))
    at = data.index(b"\xff\xd2")
    del data[at - 200 : at]
    with pytest.raises(CorruptImage):
        read_picture(bytes(data))


@pytest.mark.parametrize("tail", [b"\0" * 1000, b"\xff\xd8\xff trailing", b"MPF" + bytes(5000)])
def test_what_follows_the_end_does_not_matter(tail):
    assert np.array_equal(pixels(jpeg(SOFT) + tail), pixels(jpeg(SOFT)))


def test_padding_that_some_cameras_write_before_the_end_is_harmless():
    data = jpeg(SOFT)
    assert data.endswith(END)
    assert np.array_equal(pixels(data[:-2] + b"\0\0" + END), pixels(data))


# PNG


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("bits", "colour"), [(1, 0), (2, 0), (4, 0), (8, 0), (8, 2), (8, 4), (8, 6)])
def test_every_kind_of_8_bits_and_fewer(bits, colour, interlaced):
    samples = random_samples(bits, colour)
    channels = samples.reshape(9, 13, -1) * (255 / (2**bits - 1))
    expected = channels[..., :3] @ (0.299, 0.587, 0.114) if colour in (2, 6) else channels[..., 0]
    if colour in (4, 6):
        expected = expected * channels[..., -1] / 255  # on black
    found = pixels(png(samples, bits=bits, colour=colour, interlaced=interlaced))
    assert np.abs(found - expected).max() <= 1.5


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_with_and_without_transparency(bits):
    entries = 2**bits
    colours = RNG.integers(0, 256, (entries, 3))
    samples = RNG.integers(0, entries, (7, 9))
    luma = colours[samples] @ (0.299, 0.587, 0.114)
    palette = colours.astype(np.uint8).tobytes()
    assert np.abs(pixels(png(samples, bits=bits, colour=3, palette=palette)) - luma).max() <= 1
    clear_first = png(samples, bits=bits, colour=3, palette=palette, transparency=b"\0")
    assert np.abs(pixels(clear_first) - np.where(samples == 0, 0, luma)).max() <= 1


def test_a_transparent_grey_is_black():
    samples = np.array([[0, 5, 9, 200]])
    assert pixels(png(samples, transparency=b"\0\x09")).tolist() == [[0, 5, 0, 200]]


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("lowest", "highest"), [(0, 65_535), (300, 4_395), (0, 4_095), (60_000, 60_500)])
def test_sixteen_bits_are_spread_between_their_own_percentiles(lowest, highest, interlaced):
    samples = np.rint(SOFT / 255.0 * (highest - lowest)).astype(np.uint16) + np.uint16(lowest)
    found = pixels(png(samples, bits=16, interlaced=interlaced))
    low, high = np.percentile(samples, (1, 99))
    expected = ((samples.astype(float) - low) / (high - low) * 255).clip(0, 255)
    assert np.abs(found - expected).max() <= 2
    assert (found == 0).mean() >= 0.01 and (found == 255).mean() >= 0.01


def test_a_few_bright_pixels_do_not_dim_a_film_of_16_bits():
    samples = SOFT.astype(np.uint16) * 8
    marked = samples.copy()
    marked[:3, :20] = 65_535  # lead letters
    assert np.abs(pixels(png(marked, bits=16))[3:].astype(int) - pixels(png(samples, bits=16))[3:]).mean() < 3


@pytest.mark.parametrize("colour", [2, 4, 6])
def test_sixteen_bits_of_every_kind(colour):
    samples = random_samples(16, colour, 40, 50)
    assert pixels(png(samples, bits=16, colour=colour)).shape == (40, 50)
    assert read_picture(png(samples, bits=16, colour=colour)).bits == 16


@pytest.mark.parametrize(("bits", "level"), [(8, 77), (16, 0), (16, 40_000)])
def test_a_blank_picture_is_read(bits, level):
    assert pixels(png(np.full((5, 6), level), bits=bits)).shape == (5, 6)


def compressed(samples):
    return zlib.compress(b"".join(b"\0" + line.tobytes() for line in samples))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(cut(png(SOFT), 0.5), id="half"),
        pytest.param(png(SOFT)[:-12], id="no end chunk"),
        pytest.param(png(SOFT)[:-4] + b"oops", id="checksum of the end"),
        pytest.param(png(SOFT).replace(b"IDAT", b"IDAX"), id="checksum of a renamed chunk"),
        pytest.param(png(SOFT, stream=compressed(SOFT)[:-500]), id="stream cut, checksum right"),
        pytest.param(png(SOFT, stream=compressed(SOFT[:100])), id="rows missing"),
        pytest.param(png(SOFT, stream=compressed(SOFT)[:-4] + b"oops"), id="stream's own checksum"),
        pytest.param(png(SOFT, stream=b""), id="no stream"),
        pytest.param(png(SOFT, bits=8, colour=3), id="no palette"),
        pytest.param(png(SOFT, before=chunk(b"tEXt", b"a\0b")[:-1] + b"x"), id="checksum of a text"),
        pytest.param(PNG + header_chunk(5, 5, bits=3) + chunk(b"IEND", b""), id="3 bits"),
        pytest.param(PNG + header_chunk(5, 5) + b"\xff\xff\xff\xffIDAT", id="chunk of 4 GB"),
    ],
)
def test_a_damaged_png_is_refused(data):
    with pytest.raises(CorruptImage, match=r"^(the PNG data (are damaged|end too early)|a checksum)"):
        read_picture(data)


def test_one_wrong_bit_anywhere_in_a_png_is_noticed():
    sound = png(SOFT[:20, :20])
    for at in range(len(PNG), len(sound)):
        broken = bytearray(sound)
        broken[at] ^= 0x10
        with pytest.raises(ImageError):
            read_picture(bytes(broken))


def test_of_an_animation_the_first_picture_is_read():
    control = chunk(b"acTL", struct.pack(">II", 2, 0))
    frame = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 320, 256, 0, 0, 1, 10, 0, 0))
    still = png(SOFT)
    second = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 1, 320, 256, 0, 0, 1, 10, 0, 0))
    second += chunk(b"fdAT", struct.pack(">I", 2) + compressed(255 - SOFT))
    end = chunk(b"IEND", b"")
    moving = still[:33] + control + frame + still[33 : -len(end)] + second + end
    with Image.open(io.BytesIO(moving)) as image:
        assert image.n_frames == 2
    assert np.array_equal(pixels(moving), SOFT)


@pytest.mark.parametrize(
    "bomb",
    [
        chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200_000_000), 9)),
        chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(200_000_000), 9)),
        chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(200_000_000), 9)),
        chunk(b"eXIf", b"MM\0*" + bytes(5_000_000)),
    ],
    ids=["zTXt", "iTXt", "iCCP", "eXIf"],
)
def test_bombs_beside_the_pixels_do_not_go_off(bomb):
    data = png(SOFT, before=bomb)
    started = time.perf_counter()
    assert np.array_equal(pixels(data), SOFT)
    assert time.perf_counter() - started < 0.5


def test_more_pixels_than_announced_do_not_matter():
    stream = zlib.compress(b"".join(b"\0" + line.tobytes() for line in SOFT) + bytes(30_000_000), 9)
    assert np.array_equal(pixels(png(SOFT, stream=stream)), SOFT)


# EXIF


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_pictures_are_turned_upright_as_pillow_does(orientation, order):
    stored = np.zeros((40, 64), np.uint8)
    stored[:8, :24], stored[-8:, :8] = 250, 120
    in_png = png(stored, before=chunk(b"eXIf", tiff(orientation, order=order)))
    in_jpeg = exif_jpeg(stored, orientation=orientation, order=order)
    for data, tolerance in ((in_png, 0), (in_jpeg, 3)):
        with Image.open(io.BytesIO(data)) as image:
            expected = np.asarray(ImageOps.exif_transpose(image)).astype(int)
        picture = read_picture(data)
        assert np.abs(picture.pixels - expected).max() <= tolerance
        assert picture.pixels.flags.c_contiguous
        assert picture.header()["width"] == (40 if orientation >= 5 else 64)
        assert picture.file_size == (picture.pixels.shape[1], picture.pixels.shape[0])


@pytest.mark.parametrize(("focal", "expected"), [(26, 26.0), (None, None), (0, None)])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_focal_length_travels_in_the_header(focal, expected, order):
    data = exif_jpeg(SOFT, orientation=1, focal_35mm=focal, order=order)
    size = {"width": 320, "height": 256, "reduction": 1, "file_size": (320, 256)}
    assert read_picture(data).header() == {**size, "focal_35mm_mm": expected, "bits": 8, "colour": 0.0}


@pytest.mark.parametrize(
    "data",
    [b"", b"MM", b"MM\0*", tiff(0), tiff(9), tiff(6)[:9], tiff(6)[:12], b"II*\0" + tiff(6)[4:], bytes(100)],
)
def test_damaged_exif_counts_as_absent(data):
    assert read_exif(data) == Exif(1, None)


@given(st.binary(max_size=200), st.sampled_from([b"MM\0*", b"II*\0"]))
def test_any_exif_is_read_to_an_end(data, mark):
    assert read_exif(mark + data).orientation in range(1, 9)


# Anything


@given(st.binary(max_size=300), st.sampled_from([b"\xff\xd8\xff", PNG, PNG + header_chunk(7, 5)]))
def test_garbage_behind_a_signature_is_refused(data, signature):
    with pytest.raises(ImageError):
        read_picture(signature + data)


@given(st.data())
def test_a_damaged_jpeg_is_read_or_refused(data):
    sound = jpeg(SOFT[:48, :64])
    broken = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(3, len(sound) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert pixels(bytes(broken)).ndim == 2
    except ImageError as error:
        assert 10 < len(str(error)) < 200


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 65_535)])
def test_pictures_of_any_proportion_are_read(shape):
    samples = RNG.integers(0, 256, shape)
    assert np.array_equal(pixels(png(samples)), samples)


# What photos need


def shown(share: float, *, tint: int = 40) -> np.ndarray:
    """Give a grey picture, (256, 320, 3), a share of whose rows are tinted."""
    colours = np.dstack([SOFT // 2 + 60] * 3)
    colours[: round(256 * share), :, 0] += np.uint8(tint)
    return colours


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
@pytest.mark.parametrize(
    "encode",
    [
        lambda colours: jpeg(colours, quality=95),
        lambda colours: png(colours, colour=2),
        lambda colours: png(colours.astype(np.uint16) * 257, bits=16, colour=2),
        lambda colours: png(np.dstack([colours, np.full_like(SOFT, 255)]), colour=6),
    ],
    ids=["jpeg", "rgb", "rgb-16", "rgba"],
)
def test_tells_how_much_of_a_picture_has_a_colour(encode, share):
    picture = read_picture(encode(shown(share)))
    assert picture.colour == picture.header()["colour"] == pytest.approx(share, abs=0.04)


@pytest.mark.parametrize(
    "data",
    [
        jpeg(SOFT),
        jpeg(np.dstack([SOFT] * 3)),
        jpeg(shown(1.0, tint=2)),
        png(SOFT),
        png(np.dstack([SOFT, SOFT]), colour=4),
        png(np.dstack([SOFT // 2] * 3) + RNG.integers(0, 16, (256, 320, 3)).astype(np.uint8) // 2, colour=2),
    ],
    ids=["jpeg", "jpeg of three", "hardly tinted", "png", "grey with alpha", "noise in colours"],
)
def test_grey_pictures_and_noise_have_no_colour(data):
    assert read_picture(data).colour == 0


@pytest.mark.parametrize(("enough_px", "reduction"), [(161, 1), (160, 2), (81, 2), (80, 4), (40, 8), (1, 8)])
def test_large_jpegs_are_halved_while_enough_is_left(enough_px, reduction):
    picture = read_picture(jpeg(SOFT, quality=98), enough_px=enough_px)
    assert picture.reduction == picture.header()["reduction"] == reduction
    rows, columns = 256 // reduction, 320 // reduction
    assert picture.pixels.shape == (rows, columns)
    expected = cv2.resize(SOFT, (columns, rows), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(picture.pixels - expected).mean() < 4


def test_odd_sides_are_rounded_up():
    picture = read_picture(jpeg(SOFT[:255, :319]), enough_px=100)
    assert (picture.pixels.shape, picture.file_size) == ((128, 160), (319, 255))


def test_large_pngs_keep_their_size():
    picture = read_picture(png(SOFT), enough_px=40)
    assert (picture.pixels.shape, picture.reduction) == ((256, 320), 1)


@pytest.mark.parametrize(
    "data",
    [
        png(COLOUR, colour=2),
        png(np.dstack([COLOUR, np.full_like(SOFT, 255)]), colour=6),
        png(COLOUR.astype(np.uint16) * 257, bits=16, colour=2),
        jpeg(COLOUR, quality=98, subsampling=0),
    ],
    ids=["rgb", "rgba", "rgb-16", "jpeg"],
)
def test_colour_comes_as_blue_green_red(data):
    colour = read_colour(data)
    assert colour.shape == COLOUR.shape
    # 16 bits are stretched between their percentiles, so a little is lost at both ends.
    assert np.abs(colour[..., ::-1].astype(int) - COLOUR).mean() < 3


@pytest.mark.parametrize("data", [png(SOFT), png(np.dstack([SOFT, SOFT * 0 + 255]), colour=4), jpeg(SOFT)])
def test_grey_files_have_three_equal_channels(data):
    colour = read_colour(data)
    assert colour.shape == (256, 320, 3)
    assert np.array_equal(colour[..., 0], colour[..., 2])
    assert np.abs(colour[..., 1].astype(int) - SOFT).mean() < 2


def test_transparent_colour_lies_on_black():
    colour = read_colour(png(np.dstack([COLOUR, SOFT * 0 + 51]), colour=6))
    assert np.abs(colour[..., ::-1] - COLOUR * 0.2).mean() < 1


def test_colour_is_turned_upright_too():
    data = exif_jpeg(COLOUR, orientation=6)
    assert read_colour(data).shape == (320, 256, 3)
    assert np.abs(cv2.cvtColor(read_colour(data), cv2.COLOR_BGR2GRAY).astype(int) - pixels(data)).mean() < 2


def test_damaged_colour_is_refused():
    with pytest.raises(CorruptImage):
        read_colour(jpeg(COLOUR)[:-400])
    with pytest.raises(CorruptImage):
        read_colour(png(COLOUR, colour=2)[:-400])
