import pickle
import re
import unicodedata
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from io import BytesIO

import cv2
import numpy as np
import pytest
from pypdf import PdfReader

from gateway.imaging.chest_xray import FINDINGS, Finding
from gateway.imaging.report import ReportContent, build_report, cautions, warm_up
from gateway.imaging.report.text import REPLACEMENT
from gateway.imaging.report.typeset import fonts


def jpeg(value, shape=(60, 50)):
    return cv2.imencode(".jpg", np.full(shape, value, np.uint8))[1].tobytes()


SOURCE, HEATMAP = jpeg(90), jpeg(160, (60, 50, 3))
TB_CASE = ReportContent(
    report_id="report-1",
    generated_at=datetime(2026, 11, 20, 20, 30, tzinfo=timezone(timedelta(hours=2))),
    product_version="0.1.0",
    result="TB Presumptive",
    findings=tuple(
        Finding(name, index == 0, 0.93 if index == 0 else 0.08, index != 11)
        for index, name in enumerate(FINDINGS)
    ),
    source_jpeg=SOURCE,
    heatmap_jpeg=HEATMAP,
    site="District Hospital",
    patient_id="PAT001",
    patient_name="Doe^John",
    patient_age="045Y",
    patient_sex="M",
    study_date="20261119",
    modality="DX",
    view_position="PA",
    accession_number="ACC-77",
    sop_instance_uid="1.2.826.0.1.3680043.8.498.1",
    model_name="chest_xray",
    model_version="v1.0.1",
    model_hash="sha256:abc123",
    operating_points=tuple(0.1 + index / 100 for index in range(12)),
    image_notes=("MONOCHROME1 inverted", "percentile window"),
    processing_ms=812.4,
)


def read(content=TB_CASE, **changes):
    return PdfReader(BytesIO(build_report(replace(content, **changes))))


def text_of(pdf):
    return "\n".join(page.extract_text() for page in pdf.pages)


def words_of(pdf):
    """The text without line breaks, which depend on the column."""
    return re.sub(r"\s+", " ", text_of(pdf))


@pytest.mark.parametrize(
    "words",
    [
        "RadGate",
        "version 0.1.0",
        "District Hospital",
        "Report report-1",
        "2026-11-20 18:30:00 UTC",
        "Preliminary – AI generated, requires review by a qualified reader",
        "Doe John",
        "PAT001",
        "45 years",
        "Male",
        "2026-11-19",
        "DX / PA",
        "ACC-77",
        "1.2.826.0.1.3680043.8.498.1",
        "TB Presumptive",
        "Source film",
        "Heatmap – AI generated, not for diagnosis",
        "chest_xray · version v1.0.1 · processing time 812 ms",
        "sha256:abc123",
        "MONOCHROME1 inverted; percentile window",
        "This is not a diagnosis.",
        "confirm by bacteriological test (Xpert/culture)",
        "No regulatory clearance is claimed.",
        "Page 1 · end of report",
    ],
)
def test_says_what_a_reader_needs(words):
    assert words in words_of(read())


def test_lists_all_findings_with_score_threshold_operating_point_and_result():
    text = words_of(read())
    for index, name in enumerate(FINDINGS[1:11], start=1):
        assert f"{name} 0.08 0.50 {0.1 + index / 100:.3f} Absent" in text
    assert "Tuberculosis 0.93 0.50 0.100 Present" in text
    assert "Calcification – – – Not assessed" in text


def test_fits_on_one_page_with_every_caution():
    assert len(read(patient_age="012Y", view_position="LL", lossy_image_compression=True).pages) == 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada Tarou / 山田 太郎 / やまだ たろう"),
        ("Hong^Gildong=洪^吉洞=홍^길동", "Hong Gildong / 洪 吉洞 / 홍 길동"),
        ("Wang^XiaoDong=王^小东", "Wang XiaoDong / 王 小东"),
        ("Διονυσιος", "Διονυσιος"),
        ("Люкceмбypг", "Люкceмбypг"),
        ("Buc^Jérôme", "Buc Jérôme"),
        ("Nguyễn^Văn Đức", "Nguyễn Văn Đức"),
        ("محمد علي", "محمد علي"),  # pypdf turns right-to-left text back,
        ("قباني^لنزار", "قباني لنزار"),  # and NFKC undoes the joined forms
        ("שרון^דבורה", "שרון דבורה"),
    ],
)
def test_prints_names_in_every_script(name, shown):
    text = words_of(read(patient_name=name))
    assert f"Name {shown}" in unicodedata.normalize("NFKC", text)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("<b>bold</b> & &amp; <para>", "<b>bold</b> & &amp; <para>"),
        ("(a) Tj ET \\", "(a) Tj ET \\"),
        ("nul\x00 line\nend", f"nul{REPLACEMENT} line{REPLACEMENT}end"),
        ("half \ud800 pair", f"half {REPLACEMENT} pair"),
        ("\u202eevil", f"{REPLACEMENT}evil"),
        ("thai ไ", f"thai {REPLACEMENT}"),
    ],
)
def test_hostile_values_stay_text(value, shown):
    assert shown in words_of(read(patient_id=value))


def test_every_field_takes_any_string():
    strings = {
        name: f"\ud800\x00<i>{name}\n\U0001f9e0 \u202e ())\\"
        for name, value in vars(TB_CASE).items()
        if isinstance(value, str)
    }
    assert len(read(**strings, image_notes=("\ud800\x00",)).pages) == 1


def texts_outside(pdf):
    """Pieces of text that begin outside the margins or the page."""
    outside = []

    def visit(text, _, matrix, __, ___):
        if text.strip() and not (39 <= matrix[4] <= 556 and 20 <= matrix[5] <= 802):
            outside.append((text, matrix[4:]))

    for page in pdf.pages:
        page.extract_text(visitor_text=visit)
    return outside


def test_what_is_too_long_stays_on_its_pages():
    pdf = read(
        patient_id="X" * 300,
        patient_name="محمد " * 60,
        modality="山" * 300,
        accession_number="W" * 300,
        sop_instance_uid="1.23" * 80,
        report_id="R" * 200,
        site="S" * 300,
        result="Long " * 30,
        model_hash="h" * 500,
        image_notes=tuple(f"note number {index} and more" for index in range(64)),
    )
    text = words_of(pdf)
    assert "Page 1 · continued" in text
    assert f"Page {len(pdf.pages)} · end of report" in text
    assert text.replace(" ", "").count("X") >= 300
    assert all(f"note number {index} and" in text for index in range(64))
    assert texts_outside(pdf) == []
    assert texts_outside(read()) == []


def test_many_pages_of_notes_all_have_header_and_footer():
    pdf = read(image_notes=tuple(f"note {index} " + "words " * 40 for index in range(64)))
    assert len(pdf.pages) > 2
    assert texts_outside(pdf) == []
    for page in pdf.pages:
        text = page.extract_text()
        assert "Preliminary" in text
        assert "Patient ID PAT001" in text


@pytest.mark.parametrize("age", ["012Y", "014Y", "006M", "030D", "020W", "12"])
def test_cautions_below_fifteen_years(age):
    assert "younger than 15 years" in words_of(read(patient_age=age))


@pytest.mark.parametrize("age", ["015Y", "045Y", "200M", "", "unknown", "62"])
def test_does_not_caution_from_fifteen_years_on(age):
    assert cautions(replace(TB_CASE, patient_age=age)) == []


@pytest.mark.parametrize("view", ["LL", "RL", "lateral"])
def test_cautions_about_lateral_views(view):
    assert "Lateral view" in words_of(read(view_position=view))


def test_cautions_about_lossy_compression():
    assert "compressed with loss" in words_of(read(lossy_image_compression=True))


def test_cautions_when_tuberculosis_was_not_assessed():
    findings = tuple(Finding(name, False, 0.0, name != "Tuberculosis") for name in FINDINGS)
    text = words_of(read(findings=findings, result="Normal"))
    assert "Tuberculosis was not assessed" in text
    assert "0 of 11 assessed findings present" in text


def test_a_normal_film_says_that_nothing_was_found():
    findings = tuple(Finding(name, False, 0.1) for name in FINDINGS)
    text = words_of(read(findings=findings, result="Normal"))
    assert "No finding above threshold" in text
    assert "Confirm by bacteriological test" not in text


def test_equal_content_gives_equal_bytes():
    copied = pickle.loads(pickle.dumps(TB_CASE))
    assert build_report(TB_CASE, invariant=True) == build_report(copied, invariant=True)


def test_all_fonts_are_embedded_as_subsets():
    resources = read(patient_name="山田 محمد").pages[0]["/Resources"]["/Font"]
    descriptors = [font.get_object()["/FontDescriptor"].get_object() for font in resources.values()]
    assert {descriptor["/FontName"].split("+")[1] for descriptor in descriptors} == set(fonts())
    for descriptor in descriptors:
        assert re.fullmatch(r"/[A-Z]{6}\+.*", descriptor["/FontName"])
        assert len(descriptor["/FontFile2"].get_object().get_data()) < 60_000


def test_thumbnails_are_embedded_as_they_are():
    objects = read().pages[0]["/Resources"]["/XObject"].values()
    images = [image.get_object() for image in objects]
    assert {image._data for image in images} == {SOURCE, HEATMAP}
    assert {str(image["/Filter"]) for image in images} == {"['/DCTDecode']"}


def test_refuses_a_thumbnail_that_is_no_jpeg():
    with pytest.raises(ValueError, match="expected a JPEG"):
        build_report(replace(TB_CASE, heatmap_jpeg=b"\x89PNG"))


def test_carries_title_and_author_and_no_script():
    pdf = read()
    assert pdf.metadata.title == "Chest X-ray report report-1"
    assert pdf.metadata.author == "RadGate 0.1.0"
    assert not {"/OpenAction", "/AA", "/Names", "/AcroForm"} & set(pdf.trailer["/Root"])
    assert b"JavaScript" not in build_report(TB_CASE)


def test_is_small():
    assert len(build_report(TB_CASE)) < 60_000


def test_warming_up_twice_does_no_harm():
    warm_up()
    warm_up()
    assert len(read().pages) == 1
