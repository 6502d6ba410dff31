import io
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from gateway.imaging.dicom import read_header
from gateway.imaging.errors import MissingAttribute, WrongContent
from gateway.imaging.results import encoded, pipeline_of, vhs_resources, vhs_results
from gateway.imaging.results.document import document
from gateway.imaging.results.picture import picture
from tests.dicom_results import (
    STAMP,
    VHS_MODEL,
    assessment,
    bare_source,
    chest_outputs,
    read_back,
    require_valid,
    source,
    source_file,
)

KANJI = "Yamada^Tarou=山田^太郎=やまだ^たろう"
HANGUL = "Hong^Gildong=洪^吉洞=홍^길동"


def report(header):
    return vhs_results(header, assessment(), None, model=VHS_MODEL, stamp=STAMP)[0]


def all_results(header):
    return pipeline_of("chest_xray").results(chest_outputs(source_file()), header, VHS_MODEL, STAMP).dicom


@pytest.mark.parametrize(
    ("terms", "name", "description"),
    [
        ("ISO_IR 192", KANJI, "Lunge größer 肺"),
        ("ISO_IR 100", "Müller^Jürgen", "Thorax für Übersicht"),
        (["", "ISO 2022 IR 87"], KANJI, "胸部"),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", "胸部"),
        (["", "ISO 2022 IR 149"], HANGUL, "흉부"),
        ("GB18030", "Wang^XiaoDong=王^小东", "胸部"),
        (["", "ISO 2022 IR 144"], "Люкceмбypг", "грудь"),
        ("ISO_IR 144", "Люкceмбypг", "грудь"),
    ],
)
def test_keeps_names_byte_for_byte(terms, name, description):
    file = source_file(SpecificCharacterSet=terms, PatientName=name, StudyDescription=description)
    header = pydicom.dcmread(io.BytesIO(file))
    for result in all_results(header):
        read = pydicom.dcmread(io.BytesIO(encoded(result)))
        for keyword in ("PatientName", "StudyDescription", "PatientID"):
            original = pydicom.dcmread(io.BytesIO(file)).get_item(keyword).value
            assert read.get_item(keyword).value == original
        assert read.SpecificCharacterSet == header.SpecificCharacterSet
        assert str(read.PatientName) == name


@pytest.mark.parametrize("terms", ["ISO_IR 192", ["", "ISO 2022 IR 87"]])
def test_keeps_the_names_of_headers_that_the_gateway_read(terms, tmp_path):
    result = report(read_header(source_file(SpecificCharacterSet=terms, PatientName=KANJI)))
    assert str(read_back(result).PatientName) == KANJI
    require_valid(result, tmp_path)


def test_declares_a_character_set_where_the_source_forgot_to():
    file = source_file(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jürgen")
    header = pydicom.dcmread(io.BytesIO(file.replace(b"ISO_IR 100", b"          ")))
    read = read_back(report(header))
    assert str(read.PatientName) == "Müller^Jürgen"
    assert read.SpecificCharacterSet == "ISO_IR 100"


@pytest.mark.filterwarnings("ignore:Unknown encoding")
def test_writes_utf_8_where_the_declared_character_set_is_unknown():
    header = source()
    header.SpecificCharacterSet = "NONSENSE"
    assert read_back(report(header)).SpecificCharacterSet == "ISO_IR 192"


def test_takes_nothing_private_along():
    header = source(StudyDescription="Thorax")
    header.add_new(0x00090010, "LO", "ACME")
    header.add_new(0x00091001, "LO", "SECRET")
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "448771007", "SCT", "Canis lupus"
    item.add_new(0x00090010, "LO", "ACME")
    item.add_new(0x00091001, "LO", "SECRET")
    header.PatientSpeciesCodeSequence = Sequence([item])
    header.InstitutionName = "SECRET"
    header.OperatorsName = "SECRET^Operator"
    for result in all_results(header):
        assert b"SECRET" not in encoded(result)
        assert result.PatientSpeciesCodeSequence[0].CodeValue == "448771007"
    assert header.PatientSpeciesCodeSequence[0][0x00091001].value == "SECRET"


def test_makes_valid_objects_of_a_source_that_says_next_to_nothing(tmp_path):
    for result in all_results(bare_source()):
        require_valid(result, tmp_path)
        assert result.PatientID is None
        assert read_back(result).StudyInstanceUID == "1.2.3"


@pytest.mark.filterwarnings("ignore:.*Invalid value")
@pytest.mark.filterwarnings("ignore:.*exceeds the maximum length")
def test_leaves_out_malformed_dates_and_keeps_overlong_identifiers(tmp_path):
    header = source()
    header.StudyDate, header.PatientBirthDate, header.PatientAge = "yesterday", "1950-01-02", "74"
    header.AccessionNumber = "A" * 20
    read = read_back(report(header))
    assert (read.StudyDate, read.PatientBirthDate, read.AccessionNumber) == ("", "", "A" * 20)
    assert "PatientAge" not in read


@pytest.mark.parametrize(
    "keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"]
)
@pytest.mark.parametrize("value", [None, ""])
def test_refuses_a_source_that_nothing_can_be_filed_with(keyword, value):
    header = source()
    if value is None:
        delattr(header, keyword)
    else:
        setattr(header, keyword, value)
    with pytest.raises(MissingAttribute, match=rf"{keyword} \(00..,00..\) is missing"):
        report(header)
    with pytest.raises(MissingAttribute, match=keyword):
        picture(header, np.zeros((2, 2, 3), np.uint8), "", model=VHS_MODEL, stamp=STAMP)
    with pytest.raises(MissingAttribute, match=keyword):
        document(header, b"%PDF-", "", model=VHS_MODEL, stamp=STAMP)
    with pytest.raises(MissingAttribute, match=keyword):
        vhs_resources(header, assessment(), model=VHS_MODEL, stamp=STAMP)


@pytest.mark.parametrize(("method", "kept"), [("PS3.15", "YES"), (None, None)])
def test_says_that_identity_was_removed_where_it_can_say_how(method, kept, tmp_path):
    result = report(source(PatientIdentityRemoved="YES", DeidentificationMethod=method))
    assert result.get("PatientIdentityRemoved") == kept
    require_valid(result, tmp_path)


def test_refuses_a_source_of_an_unknown_class():
    header = source()
    header.SOPClassUID = "1.2.3.4.5"
    with pytest.raises(WrongContent, match="SOPClassUID"):
        report(header)


def test_refers_to_the_frame_that_was_looked_at(tmp_path):
    for storage, number in ((MultiFrameGrayscaleByteSecondaryCaptureImageStorage, 1), (CTImageStorage, None)):
        header = source(SOPClassUID=storage)
        header.NumberOfFrames = 3
        result = report(header)
        require_valid(result, tmp_path)
        group = read_back(result).ContentSequence[-2].ContentSequence[1]
        region = group.ContentSequence[-1].ContentSequence[0].ReferencedSOPSequence[0]
        assert region.get("ReferencedFrameNumber") == number


def test_is_of_the_same_patient_and_study_for_others_too(tmp_path):
    if not shutil.which("dcentvfy"):
        pytest.skip("dcentvfy (Debian's dicom3tools) is not installed")
    given = {
        "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
        "PatientName": KANJI,
        "ReferringPhysicianName": "D^R",
    }
    file = source_file(PatientBirthDate="19500102", StudyTime="101112", **given)
    files = [file, *(encoded(each) for each in all_results(pydicom.dcmread(io.BytesIO(file))))]
    for number, data in enumerate(files):
        (tmp_path / f"{number}.dcm").write_bytes(data)
    command = ["dcentvfy", *sorted(str(path) for path in tmp_path.iterdir())]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    # It files the accession number with the series in some classes and with the study in others.
    said = [line for line in done.stderr.splitlines() if "Different information entities" not in line]
    assert (done.returncode, said) == (0, [])


def test_takes_digitised_films(tmp_path):
    for result in all_results(source(SOPClassUID=SecondaryCaptureImageStorage)):
        require_valid(result, tmp_path)


def test_says_when_in_the_time_zone_of_the_source():
    plain, shifted = source(), source(TimezoneOffsetFromUTC="-0430")
    assert (report(plain).ContentDate, report(plain).ContentTime) == ("20261120", "220507")
    assert (report(shifted).ContentTime, report(shifted).TimezoneOffsetFromUTC) == ("173507", "-0430")
