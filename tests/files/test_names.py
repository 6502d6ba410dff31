import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.files.names import MAX_NAME_BYTES, folder_name

any_text = st.text(st.characters(codec=None), max_size=150)
hostile = st.text(st.sampled_from("ab.AB_- /\\\0\n\r\t\x7f:*?|éé\u202e\u2044\ud800CONcon1"), max_size=120)
clean = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,98}[A-Za-z0-9_-]", fullmatch=True)

RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


@pytest.mark.parametrize(
    "patient_id", ["PAT001", "a", "A.b-c_d", "0", "-", "Ünïcode", "患者７", "a" * 100, "CONX", "COM10"]
)
def test_a_clean_id_is_its_own_folder(patient_id):
    assert folder_name(patient_id) == patient_id


@pytest.mark.parametrize(
    ("patient_id", "expected"),
    [  # the digests by `printf '…' | sha256sum`
        ("a/b", "a_b-c14cddc0"),
        ("", "_-e3b0c442"),
        ("..", "_-5ec1f7e7"),
        (".hidden", "hidden-"),
        ("../../x", "_.._x-"),
        ("..\\..\\x", "_.._x-"),
        ("a.", "a-"),
        ("a b", "a_b-"),
        ("CON", "_CON-"),
        ("nul.txt", "_nul.txt-"),
        ("COM¹", "COM_-"),
        ("x\0y\nz", "x_y_z-"),
        ("é", "é-"),  # decomposed: the same letter in other bytes is another patient
        ("a\u202eb", "a_b-"),
        ("\ud800", "_-"),
    ],
)
def test_cleans_the_rest(patient_id, expected):
    patient_id = "e\u0301" if patient_id == "é" else patient_id
    assert re.fullmatch(re.escape(expected) + r"([0-9a-f]{8})?", folder_name(patient_id))
    assert re.search(r"-[0-9a-f]{8}$", folder_name(patient_id))


@given(any_text | hostile)
def test_a_name_is_one_harmless_component(patient_id):
    name = folder_name(patient_id)
    assert name not in ("", ".", "..")
    assert not set(name) & set('/\\\0:*?"<>| ')
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zs", "Zl") for character in name)
    assert not name.startswith(".") and not name.endswith(".")
    assert 1 <= len(name.encode()) <= MAX_NAME_BYTES
    assert not RESERVED.fullmatch(name)
    assert name.isprintable()


@given(any_text | hostile)
def test_a_name_is_clean_itself(patient_id):
    assert folder_name(folder_name(patient_id)) == folder_name(patient_id)


@given(clean.filter(lambda value: not RESERVED.fullmatch(value)))
def test_clean_ids_pass_unchanged(patient_id):
    assert folder_name(patient_id) == patient_id


@given(st.sets(hostile | any_text, min_size=2, max_size=30))
def test_cleaned_ids_stay_apart(patient_ids):
    names = [folder_name(patient_id) for patient_id in patient_ids]
    assert len(set(names)) == len(patient_ids)


def test_many_cleaned_ids_stay_apart():
    # All of these clean to "a_b…": only the digest keeps them apart.
    patient_ids = {f"a{chr(code)}b" for code in range(0x2000, 0x2070)} | {"a b" + " " * n for n in range(90)}
    patient_ids |= {"x" * 100 + str(n) for n in range(2000)}
    assert len({folder_name(patient_id) for patient_id in patient_ids}) == len(patient_ids)


def test_a_cleaned_name_is_open_to_whoever_spells_it_out_as_documented():
    # It wins nothing: the same attacker could send "a/b" itself and overwrite by contract.
    assert folder_name("a_b-c14cddc0") == folder_name("a/b")
    assert folder_name("SITE-20240101") == "SITE-20240101"  # why it stays so
