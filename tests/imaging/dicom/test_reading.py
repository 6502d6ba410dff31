import io
import json
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imaging.dicom import MAX_HEADER_BYTES, read_header, read_image, read_patient_id, stored_values
from gateway.imaging.dicom.elements import decode_text
from gateway.imaging.dicom.study import study_of
from gateway.imaging.errors import (
    ImageError,
    MissingAttribute,
    UnsupportedTransferSyntax,
    WrongContent,
    WrongGeometry,
)
from gateway.imaging.radiograph import render_radiograph
from tests import dicom_files as files

FILM = files.dicom_file(files.film())
PART_10 = [path for path in files.TEST_FILES if path.read_bytes()[128:132] == b"DICM"]


@pytest.mark.parametrize("path", files.TEST_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_file_that_pydicom_brings_is_a_film_or_an_image_error(path):
    started = time.perf_counter()
    try:
        dataset = read_image(path.read_bytes())
        film = render_radiograph(dataset).pixels
        study_of(dataset)
    except ImageError as error:
        assert str(error)
    else:
        assert film.dtype == np.uint8
        assert film.ndim == 2
    assert time.perf_counter() - started < 5


def test_most_files_with_an_image_are_read():
    readable = 0
    for path in files.TEST_FILES:
        try:
            stored_values(read_image(path.read_bytes()))
            readable += 1
        except ImageError:
            continue
    assert readable >= 88


@pytest.mark.parametrize(
    ("file", "error"),
    [
        (b"", ImageError),
        (b"Dear colleague, " * 100, ImageError),
        (bytes(1000), ImageError),
        (files.huge_header(), WrongGeometry),
        (files.lying_codestream(), WrongGeometry),
        (files.lying_codestream(64, 65), WrongGeometry),
        (files.nested_sequences(), ImageError),
        (files.many_open_items(300_000), ImageError),
        (files.many_elements(300_000), ImageError),
        (files.dicom_file(files.film(), Rows=None), MissingAttribute),
        (files.dicom_file(files.film(), BitsAllocated=None), MissingAttribute),
        (files.dicom_file(files.film(), Rows=0), WrongGeometry),
        (files.dicom_file(files.film(), Rows=25), WrongGeometry),  # one row more than there is
        (files.dicom_file(files.film(), SamplesPerPixel=4), WrongGeometry),
        (files.dicom_file(files.film(), BitsAllocated=64), WrongGeometry),
        (files.dicom_file(files.film(), PhotometricInterpretation="HSV"), ImageError),
        (FILM[:-200], WrongGeometry),
        (FILM[:300], ImageError),
        (FILM.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"), UnsupportedTransferSyntax),
    ],
)
def test_hostile_and_broken_files_are_image_errors_before_decoding(file, error):
    with pytest.raises(error):
        read_image(file)


def test_messages_do_not_quote_the_patient():
    with pytest.raises(ImageError) as caught:
        read_image(files.dicom_file(files.film(), Rows=None, PatientName="Geheim^Anna", PatientID="S3CRET"))
    assert "Geheim" not in str(caught.value)
    assert "S3CRET" not in str(caught.value)


MEASURE = """
import json, resource, sys, time
from gateway.imaging.dicom import MAX_HEADER_BYTES, read_header, read_image
from gateway.imaging.errors import ImageError
from gateway.imaging.radiograph import render_radiograph
from tests import dicom_files
render_radiograph(read_image(dicom_files.dicom_file(dicom_files.film())))
with open(sys.argv[1], "rb") as file:
    data = file.read()
before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
for step in (lambda: read_header(data[:MAX_HEADER_BYTES]), lambda: render_radiograph(read_image(data))):
    try:
        step()
    except ImageError:
        pass
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps([grown / 1024, time.perf_counter() - started]))
"""


@pytest.mark.parametrize(
    "bomb",
    [
        files.deflate_bomb,
        files.deflated_pixels_bomb,
        files.nested_sequences,
        files.many_items,
        files.many_open_items,
        files.many_elements,
        files.huge_header,
        files.lying_codestream,
    ],
    ids=lambda bomb: bomb.__name__,
)
def test_bombs_cost_little_memory_and_time(bomb, tmp_path):
    (tmp_path / "bomb.dcm").write_bytes(bomb())
    command = [sys.executable, "-W", "error", "-c", MEASURE, str(tmp_path / "bomb.dcm")]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    grown_mib, seconds = json.loads(done.stdout)
    assert done.stderr == ""
    assert grown_mib < 200
    assert seconds < 5


def test_the_bomb_that_pydicom_brings_is_refused_by_its_codestream():
    (path,) = [p for p in files.TEST_FILES if p.name == "JPEG2000-embedded-sequence-delimiter.dcm"]
    with pytest.raises(WrongGeometry, match="3722445056"):
        read_image(path.read_bytes())


@pytest.mark.parametrize("syntax", files.LOSSLESS)
def test_a_header_needs_no_byte_of_the_pixel_data(syntax):
    file = files.dicom_file(files.film(), syntax)
    tag = b"\x7f\xe0\0\x10" if syntax == files.BIG_ENDIAN else b"\xe0\x7f\x10\0"
    cut = file.rfind(tag) + 12 if syntax != files.DEFLATED else len(file)
    header = read_header(file[:cut])
    assert header.PatientID == "PAT001"
    assert "PixelData" not in header
    assert header.file_meta.TransferSyntaxUID == syntax


def test_a_header_may_be_cut_behind_the_start_of_the_pixel_data_only():
    start = FILM.rindex(b"\xe0\x7f\x10\0")
    assert read_header(FILM[: start + 12]).Rows == 24
    for end in (start + 7, start, start - 3, 200, 140, 133):
        with pytest.raises(ImageError):
            read_header(FILM[:end])


def test_a_header_of_more_than_the_limit_is_refused():
    long = files.with_element(FILM, files.element(9, 0x1001, b"OB", bytes(MAX_HEADER_BYTES)))
    with pytest.raises(ImageError):
        read_header(long[:MAX_HEADER_BYTES])
    with pytest.raises(ImageError):
        read_image(long)


@pytest.mark.parametrize("name", ["DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-implicit", "DICOMDIR-nopatient"])
def test_a_dicomdir_is_wrong_content(name):
    with pytest.raises(WrongContent, match="DICOMDIR"):
        read_header(next(p for p in files.TEST_FILES if p.name == name).read_bytes())


@pytest.mark.parametrize(
    "name", ["reportsi.dcm", "test-SR.dcm", "waveform_ecg.dcm", "rtplan.dcm", "rtstruct.dcm"]
)
def test_what_has_no_image_says_so(name):
    with pytest.raises(MissingAttribute, match="PixelData"):
        read_header(next(p for p in files.TEST_FILES if p.name == name).read_bytes())


def without_preamble(file: bytes) -> bytes:
    (length,) = struct.unpack_from("<L", file, 140)
    return file[144 + length :]


@pytest.mark.parametrize("syntax", [files.EXPLICIT, files.IMPLICIT, files.BIG_ENDIAN])
def test_a_bare_data_set_is_read(syntax):
    dataset = read_image(without_preamble(files.dicom_file(files.film(), syntax)))
    assert dataset.file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(stored_values(dataset), files.film())


@pytest.mark.parametrize("keyword", ["SOPClassUID", "Rows", "Columns"])
def test_a_bare_data_set_has_to_look_like_an_image(keyword):
    file = without_preamble(files.dicom_file(files.film()))
    dataset = pydicom.dcmread(io.BytesIO(file), force=True)
    delattr(dataset, keyword)
    bare = without_preamble(files.written(dataset, files.EXPLICIT))
    if keyword == "SOPClassUID":
        assert bare[:2] == b"\x08\0"
    with pytest.raises(MissingAttribute, match=keyword):
        read_header(bare)


def test_defaults_stand_in_for_what_is_absent():
    file = files.dicom_file(
        files.film(),
        PhotometricInterpretation=None,
        SamplesPerPixel=None,
        BitsStored=None,
        PixelRepresentation=None,
    )
    dataset = read_image(file)
    assert dataset.PhotometricInterpretation == "MONOCHROME2"
    assert (dataset.SamplesPerPixel, dataset.BitsStored, dataset.HighBit) == (1, 16, 15)
    np.testing.assert_array_equal(stored_values(dataset), files.film())


def patient_id(raw: bytes, character_set: bytes = b"") -> str:
    """Put Patient ID into a file by hand."""
    file = files.dicom_file(files.film(), PatientID=None)
    head = files.element(8, 5, b"CS", character_set) if character_set else b""
    return read_patient_id(
        read_header(files.with_element(file, head + files.element(0x10, 0x20, b"LO", raw)))
    )


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"PAT001", "PAT001"),
        (b"PAT001 ", "PAT001"),
        (b"PAT001\0", "PAT001"),
        (b"  PAT", "  PAT"),
        (b"../../etc", "../../etc"),
        (b"..\\..\\x", "..\\..\\x"),
        (b"a\0b", "a\0b"),
        (b"a\nb", "a\nb"),
        (b"", ""),
        (b"   ", ""),
        (b"\0\0", ""),
        (b"M\xfcller", "Müller"),
        (b"x" * 300, "x" * 300),
    ],
)
def test_the_patient_id_is_what_the_file_says(raw, expected):
    assert patient_id(raw) == expected


@pytest.mark.parametrize(
    ("raw", "character_set", "expected"),
    [
        ("Ж1".encode("iso8859_5"), b"ISO_IR 144", "Ж1"),
        ("山".encode(), b"ISO_IR 192", "山"),
        (b"M\xfcller", b"ISO_IR 192", "Müller"),  # not UTF-8: read as Latin-1
        (b"PAT", b"NO SUCH SET", "PAT"),
    ],
)
def test_the_patient_id_is_decoded_without_failing(raw, character_set, expected):
    assert patient_id(raw, character_set) == expected


def test_no_patient_id_is_an_empty_one():
    assert read_patient_id(read_header(files.dicom_file(files.film(), PatientID=None))) == ""


def test_the_patient_id_is_read_after_pydicom_split_it():
    dataset = pydicom.Dataset()
    dataset.PatientID = ["..", "..", "x"]
    assert read_patient_id(dataset) == "..\\..\\x"


CHARSETS = sorted((Path(pydicom.__file__).parent / "data" / "charset_files").glob("chr[!S]*.dcm"))


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("path", CHARSETS, ids=lambda path: path.name)
def test_names_are_decoded_as_pydicom_does(path):
    raw = pydicom.dcmread(path)
    name, terms = raw.get_item("PatientName").value, raw.get_item("SpecificCharacterSet").value
    terms = terms if isinstance(terms, str) else "\\".join(terms)
    by_hand = files.element(8, 5, b"CS", terms.encode()) + files.element(0x10, 0x10, b"PN", name)
    header = read_header(files.with_element(files.dicom_file(files.film(), PatientName=None), by_hand))
    assert str(header.PatientName) == str(raw.PatientName)


@given(st.data())
def test_damage_anywhere_in_the_header_is_an_image_error_or_harmless(data):
    file = bytearray(FILM)
    for _ in range(data.draw(st.integers(1, 8))):
        file[data.draw(st.integers(132, FILM.rindex(b"\xe0\x7f\x10\0") + 12))] = data.draw(
            st.integers(0, 255)
        )
    try:
        dataset = read_image(bytes(file))
        study_of(dataset)
        render_radiograph(dataset)
    except ImageError:
        pass


def test_keeps_escape_sequences_that_are_not_dicoms():
    """Two patients' IDs may differ by them alone."""
    assert decode_text(b"a\x1b[31mb", ["iso8859"]) == "a\x1b[31mb"
    assert decode_text(b"a\x1b", ["iso8859"]) == "a\x1b"
