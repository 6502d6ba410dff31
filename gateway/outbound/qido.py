"""QIDO-RS: which studies a patient or an accession number has (DICOM PS3.18 §10.6, paging §8.3.4)."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from gateway.errors import InvalidRequest, PeerFailed
from gateway.outbound.client import Answer

PATIENT_ID = "00100020"
ACCESSION_NUMBER = "00080050"
STUDY_INSTANCE_UID = "0020000D"
PAGE = 200
MAX_CHARACTERS = 64
MEDIA_TYPES = frozenset({"application/dicom+json", "application/json"})
_WILDCARDS = "*?\\"
_PLAIN = "/:@!$'()"
"""Characters that a query may hold as they are (RFC 3986 §3.4) and that separate nothing in it. More are not
escaped than must be: Orthanc's DICOMweb plugin 1.7 does not undo escapes, and finds nothing then.
"""


@dataclass
class Search:
    """One search, page after page.

    Attributes
    ----------
    studies
        Study Instance UIDs found so far, each once, in the peer's order.
    strangers
        Results of another patient or accession number, which some peers give and which are left out.
    """

    tag: str
    value: str = field(repr=False)
    studies: dict[str, None] = field(default_factory=dict)
    strangers: int = 0
    results: int = 0

    def path(self, studies: str) -> str:
        """Give the next page's path and query."""
        offset = f"&offset={self.results}" if self.results else ""
        return f"{studies}?{self.tag}={quote(self.value, safe=_PLAIN)}&limit={PAGE}{offset}"

    def add(self, items: list[Any], *, more: bool) -> bool:
        """Take a page; tell whether to ask for another.

        `more` is the peer's word that there is. A full page may be followed by another, too; one without
        anything new is the last, for some peers know no offset.
        """
        before = len(self.studies)
        self.results += len(items)
        for item in items:
            found = first_value(item, self.tag)
            if found is not None and found.strip() != self.value.strip():
                self.strangers += 1
            elif uid := first_value(item, STUDY_INSTANCE_UID):
                self.studies[uid] = None
        return len(self.studies) > before and (more or len(items) >= PAGE)


def checked_value(value: str, name: str) -> str:
    """Give a value that is to be matched as it is.

    Raises
    ------
    InvalidRequest
        It is blank or holds wildcards, which match every patient or several, or cannot be such a value.
    """
    if not value.strip() or len(value) > MAX_CHARACTERS or not value.isprintable():
        raise InvalidRequest(f"{name} must be 1 to {MAX_CHARACTERS} printable characters", field=name)
    if any(each in value for each in _WILDCARDS):
        raise InvalidRequest(f"{name} must not hold wildcards: none of {' '.join(_WILDCARDS)}", field=name)
    return value


async def page_of(answer: Answer, limit: int) -> list[Any]:
    """Read the results of an answer; none is no fault.

    Raises
    ------
    PeerFailed
        No DICOM JSON array, or longer than `limit` bytes.
    """
    body = await answer.document(limit)
    if answer.status == 204 or not body.strip():
        return []
    declared = answer.response.content_type.lower()
    items = parsed(answer, body) if declared in MEDIA_TYPES else None
    if not isinstance(items, list):
        raise PeerFailed(f"The peer {answer.peer.name} did not answer with a list of studies", answered=200)
    return items


def parsed(answer: Answer, body: bytes) -> Any:
    """Parse a body as DICOM JSON (PS3.18 Annex F)."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise PeerFailed(
            f"The peer {answer.peer.name} sent JSON that cannot be read", answered=answer.status
        ) from None


def says_more(answer: Answer) -> bool:
    """Whether the peer warns that it left results out (§8.3.4.4)."""
    return any(value.lstrip().startswith("299") for value in answer.response.headers.getall("Warning", ()))


def values(dataset: Any, tag: str) -> Iterator[Any]:
    """Give an attribute's values in DICOM JSON, whatever a peer made of it."""
    element = dataset.get(tag) if isinstance(dataset, dict) else None
    found = element.get("Value") if isinstance(element, dict) else None
    yield from found if isinstance(found, list) else ()


def first_value(dataset: Any, tag: str) -> str | None:
    """Give an attribute's first value as text; None where there is none."""
    return next((str(value) for value in values(dataset, tag) if value is not None), None)


def retrieval_path(study_uid: str, series_uid: str | None, instance_uid: str | None) -> str:
    """Give the path of a study, of a series or of an instance (§10.4.1).

    Raises
    ------
    InvalidRequest
        A UID is not one, or an instance is named without its series.
    """
    if instance_uid is not None and series_uid is None:
        raise InvalidRequest("SeriesInstanceUID is needed to retrieve an instance", field="SeriesInstanceUID")
    names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    levels = ("studies", "series", "instances")
    given = [uid for uid in (study_uid, series_uid, instance_uid) if uid is not None]
    return "/".join(
        f"{level}/{checked_uid(uid, name)}" for level, uid, name in zip(levels, given, names, strict=False)
    )


def checked_uid(uid: str, name: str) -> str:
    """Give a UID that is safe in a path (PS3.5 §9.1; leading zeros are left to the peer)."""
    if len(uid) > 64 or not re.fullmatch(r"[0-9]+(\.[0-9]+)*", uid, re.ASCII):
        raise InvalidRequest(f"{name} must be a DICOM UID", field=name)
    return uid
