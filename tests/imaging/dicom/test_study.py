import pytest

from gateway.imaging.dicom import read_header
from gateway.imaging.dicom.study import study_of
from tests import dicom_files as files


def study(**attributes):
    return study_of(read_header(files.dicom_file(files.film(), **attributes)))


def test_a_study_says_what_the_header_says():
    assert study(AccessionNumber="A1")._asdict() == {
        "patient_id": "PAT001",
        "patient_name": "John Doe",
        "sop_instance_uid": "1.2.3.4",
        "age": "045Y",
        "sex": "M",
        "study_date": "20240229",
        "modality": "CR",
        "view_position": "PA",
        "accession_number": "A1",
        "body_part_examined": "CHEST",
        "study_instance_uid": "1.2.3",
        "series_instance_uid": "1.2.3.1",
        "lossy": False,
        "burned_in_annotation": False,
    }


def test_a_header_without_anything_gives_empty_strings():
    names = (
        "PatientID",
        "PatientName",
        "PatientSex",
        "PatientAge",
        "StudyDate",
        "Modality",
        "BodyPartExamined",
    )
    empty = study(**dict.fromkeys((*names, "ViewPosition", "StudyInstanceUID", "SeriesInstanceUID")))
    assert empty._replace(sop_instance_uid="") == type(empty)(*[""] * 12, False, False)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Doe^John", "John Doe"),
        ("Doe^John^Q^Dr^Jr", "John Q Doe"),
        ("Doe", "Doe"),
        ("^John", "John"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Tarou Yamada"),
        ("=山田^太郎", "太郎 山田"),
        ("Buc^Jérôme", "Jérôme Buc"),
        ("^^^", ""),
    ],
)
def test_a_name_is_given_before_family(name, shown):
    assert study(PatientName=name, SpecificCharacterSet="ISO_IR 192").patient_name == shown


@pytest.mark.parametrize(
    ("age", "born", "studied", "shown"),
    [
        ("062Y", "19000101", "20240229", "062Y"),  # as written, whatever the dates say
        (None, "19780229", "20240229", "046Y"),
        (None, "19780301", "20240229", "045Y"),  # the birthday is tomorrow
        (None, "20240228", "20240229", "000Y"),
        (None, "20250101", "20240229", ""),  # born after the study
        (None, "17000101", "20240229", ""),
        (None, None, "20240229", ""),
        (None, "19780229", None, ""),
    ],
)
def test_the_age_is_verbatim_or_derived(age, born, studied, shown):
    assert study(PatientAge=age, PatientBirthDate=born, StudyDate=studied).age == shown


def test_a_malformed_age_stays_as_it_is():
    file = files.dicom_file(files.film(), PatientAge=None)
    file = files.with_element(file, files.element(0x10, 0x1010, b"AS", b"62"))
    assert study_of(read_header(file)).age == "62"


def test_compression_and_burned_in_text_are_flags():
    assert study(LossyImageCompression="01", BurnedInAnnotation="YES")[-2:] == (True, True)
    assert study(LossyImageCompression="00", BurnedInAnnotation="NO")[-2:] == (False, False)
