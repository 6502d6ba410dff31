"""The folder name that a patient's results get."""

import hashlib
import re
import unicodedata

MAX_NAME_BYTES = 100
_DIGEST_CHARACTERS = 8

# Windows takes these for devices, with any extension; a share may be read from there. ¹²³ count too.
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|(COM|LPT)[0-9])(\..*)?", re.IGNORECASE | re.DOTALL)


def folder_name(patient_id: str) -> str:
    """Turn a PatientID into one safe path component; a clean one stays as it is.

    Anything else is cleaned and gets `-` and eight hex digits of the raw value's SHA-256, so that
    distinct hostile values stay apart. Two limits are accepted, both worth no more to an attacker
    than sending the other patient's PatientID in the first place, which overwrites by contract: a
    clean value may be spelled like another's cleaned name ("a_b-1234abcd"; refusing those would
    rename honest IDs such as "SITE-20240101"), and on a filesystem that ignores case "Ab" and "aB"
    share a folder (Linux filesystems by default do not).
    """
    name = unicodedata.normalize("NFC", patient_id)
    name = "".join(character if _is_kept(character) else "_" for character in name)
    name = name.lstrip(".").rstrip(". ")
    if not name or _RESERVED.fullmatch(unicodedata.normalize("NFKC", name)):
        name = "_" + name
    if name == patient_id and len(name.encode()) <= MAX_NAME_BYTES:
        return name
    suffix = (
        "-" + hashlib.sha256(patient_id.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARACTERS]
    )
    kept = name.encode()[: MAX_NAME_BYTES - len(suffix)].decode(errors="ignore")
    return kept + suffix


def _is_kept(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in "._-"
    # Letters and decimal digits of any script; not marks, invisible formatting or look-alike slashes.
    category = unicodedata.category(character)
    return category.startswith("L") or category == "Nd"
