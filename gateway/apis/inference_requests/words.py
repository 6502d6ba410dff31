"""The words of enumerations, as JSON and as the Clara DICOM Adapter's own members spell them."""

import re
from typing import Any, NamedTuple

_NUMBER = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)


class NotAWord(ValueError):
    """What stands there is none of an enumeration's words."""


class Enumeration(NamedTuple):
    """One enumeration: each word as in JSON, and its member's name, in the order of their numbers."""

    name: str
    words: tuple[tuple[str, str], ...]
    first: int = 0
    """The number of the first word."""

    def read(self, value: Any) -> str:
        """Give the JSON word that a value means: in any case, by the member's name or by number.

        Raises
        ------
        NotAWord
        """
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise NotAWord
        if isinstance(value, int) or _NUMBER.fullmatch(value.strip()):
            return self._numbered(int(value))
        return self._named(value)

    def _numbered(self, number: int) -> str:
        if not 0 <= number - self.first < len(self.words):
            raise NotAWord
        return self.words[number - self.first][0]

    def _named(self, value: str) -> str:
        for spelling in (str, str.lower):
            for word, member in self.words:
                if spelling(value) in (spelling(word), spelling(member)):
                    return word
        raise NotAWord


def _same(*words: str) -> tuple[tuple[str, str], ...]:
    return tuple((word, word) for word in words)


UNKNOWN = "Unknown"
ALGORITHM, DICOM_WEB, DIMSE, FHIR = "Algorithm", "DICOMweb", "DIMSE", "FHIR"
DICOM_UID, PATIENT_ID, ACCESSION_NUMBER, FHIR_RESOURCE = (
    "DICOM_UID", "DICOM_PATIENT_ID", "ACCESSION_NUMBER", "FHIR_RESOURCE",
)  # fmt: skip

INTERFACE = Enumeration(
    "interface", ((ALGORITHM, "Algorithm"), (DICOM_WEB, "DicomWeb"), (DIMSE, "Dimse"), (FHIR, "Fhir"))
)
DETAILS_TYPE = Enumeration(
    "type",
    (
        (UNKNOWN, "Unknown"),
        (DICOM_UID, "DicomUid"),
        (PATIENT_ID, "DicomPatientId"),
        (ACCESSION_NUMBER, "AccessionNumber"),
        (FHIR_RESOURCE, "FhireResource"),  # so misspelt there
    ),
)
AUTH_TYPE = Enumeration("authType", _same("None", "Basic", "Bearer"))
OPERATION = Enumeration(
    "operations",
    (("QUERY", "Query"), ("RETRIEVE", "Retrieve"), ("WADO Retrieve", "WadoRetrieve"), ("STORE", "Store")),
)
FHIR_FORMAT = Enumeration("fhirFormat", _same("Json", "Xml"))
FHIR_VERSION = Enumeration("fhirVersion", _same("R1", "R2", "R3", "R4"))
