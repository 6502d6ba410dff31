import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imaging.report.arabic import shaped
from gateway.imaging.report.bidi import base_level, has_right_to_left, reordered
from gateway.imaging.report.text import REPLACEMENT, cleaned
from gateway.imaging.report.typeset import _glyph, line_of, text_width, wrapped


def names(text):
    return [unicodedata.name(character) for character in text]


def drawn(text):
    return reordered(text, base_level(text))


@pytest.mark.parametrize(
    ("logical", "visual"),
    [
        ("Doe John", "Doe John"),
        ("אבג", "גבא"),
        ("אבג 123", "123 גבא"),  # numbers keep their order
        ("abc אבג", "abc גבא"),
        ("abc אב 12 גד xyz", "abc דג 12 בא xyz"),
        ("אבג abc", "abc גבא"),
        ("אב (גד)", "(דג) בא"),  # brackets are mirrored
        ("abc (אב) d", "abc (בא) d"),  # and stay around what they hold
        ("ع 1,5", "1,5 ع"),
        ("ا 12/5", "12/5 ا"),
        ("א 5%", "5% א"),
        ("", ""),
    ],
)
def test_draws_right_to_left_passages_backwards(logical, visual):
    assert drawn(logical) == visual


@given(st.text("abאבעم 12٤.,+%()[]/ ", max_size=20))
def test_reordering_loses_nothing(text):
    plain = str.maketrans("()[]", "||||")
    assert sorted(drawn(text).translate(plain)) == sorted(text.translate(plain))


def test_arabic_letters_take_the_form_of_their_place():
    assert names(shaped("محمد")) == [
        "ARABIC LETTER MEEM INITIAL FORM",
        "ARABIC LETTER HAH MEDIAL FORM",
        "ARABIC LETTER MEEM MEDIAL FORM",
        "ARABIC LETTER DAL FINAL FORM",
    ]


def test_a_letter_that_reaches_only_back_ends_the_joining():
    assert names(shaped("دب")) == ["ARABIC LETTER DAL ISOLATED FORM", "ARABIC LETTER BEH ISOLATED FORM"]


def test_lam_and_alef_become_one():
    assert names(shaped("سلام"))[1] == "ARABIC LIGATURE LAM WITH ALEF FINAL FORM"
    assert names(shaped("لا")) == ["ARABIC LIGATURE LAM WITH ALEF ISOLATED FORM"]
    assert names(shaped("لاب"))[1] == "ARABIC LETTER BEH ISOLATED FORM"


def test_marks_do_not_part_letters():
    assert names(shaped("بَب"))[::2] == ["ARABIC LETTER BEH INITIAL FORM", "ARABIC LETTER BEH FINAL FORM"]


def test_persian_letters_are_joined_too():
    assert names(shaped("گی"))[0] == "ARABIC LETTER GAF INITIAL FORM"


@given(st.text("محدلاأبيةءپگی \u064e\u0651\u0640a", max_size=12))
def test_shaping_loses_nothing(text):
    back = unicodedata.normalize("NFKC", shaped(text))
    assert back == unicodedata.normalize("NFKC", text)


@pytest.mark.parametrize(
    "hidden", ["\x00", "\n", "\r", "\x7f", "\x9b", "\ud800", "\u202e", "\u2066", "\u2028"]
)
def test_what_is_hidden_becomes_visible(hidden):
    assert cleaned(f"a{hidden}b") == f"a{REPLACEMENT}b"


def test_markup_stays_text():
    assert cleaned("<b>&amp;</b>") == "<b>&amp;</b>"


def test_letters_and_their_marks_are_composed():
    assert cleaned("e\u0301") == "é"
    assert cleaned("\u1112\u1169\u11bc") == "홍"  # Jamo, as macOS writes file names


@pytest.mark.parametrize(
    ("text", "answer"), [("Doe", False), ("山田", False), ("דבורה", True), ("a ع", True)]
)
def test_knows_right_to_left_text(text, answer):
    assert has_right_to_left(text) is answer


@pytest.mark.parametrize(
    "text",
    [
        "Ωμέγα",
        "Люкceмбypг",
        "ẞğŁễ",
        "שרון",
        shaped("محمد علي گچپژ سلام"),
        "山田太郎王小东",
        "やまだタロウ",
        "홍길동",
        "–⇒·…",
    ],
)
def test_every_script_has_glyphs(text):
    for bold in (False, True):
        assert [_glyph(character, bold)[1] for character in text] == list(text)


@pytest.mark.parametrize("character", ["\U00020bb7", "\U0001f9e0", "ไ", "\ue000"])
def test_a_character_without_a_glyph_is_shown_as_such(character):
    assert _glyph(character, False)[1] == REPLACEMENT


@pytest.mark.parametrize("character", ["\u200c", "\u200d", "\ufe00", "\U000e0100", "\ufeff"])
def test_a_character_that_is_invisible_by_definition_takes_no_room(character):
    assert _glyph(character, False)[1:] == ("", 0.0)


@given(st.text(max_size=60), st.sampled_from([30.0, 90.0, 250.0]))
def test_no_line_is_wider_than_its_column(text, width):
    for line in wrapped(text, 8, width):
        assert text_width(line.logical, 8) <= width + 0.01


def test_wrapping_keeps_every_word():
    text = "one two three four five six seven eight nine ten"
    lines = wrapped(text, 8, 60)
    assert len(lines) > 2
    assert " ".join(line.logical for line in lines) == text


def test_what_does_not_fit_ends_in_an_ellipsis():
    lines = wrapped("A word and " + "X" * 300, 8, 100, max_lines=2)
    assert len(lines) == 2
    assert lines[0].logical == "A word and"
    assert lines[1].logical.startswith("XXX")
    assert lines[1].logical.endswith("X…")
    assert text_width(lines[1].logical, 8) <= 100


def test_a_line_keeps_the_direction_of_its_paragraph():
    assert line_of("אבג 1").base == 1
    assert {line.base for line in wrapped("אבג " + "a" * 30, 8, 50)} == {1}
