"""What a job of this API is about: its stored request, and the sealed rest of it."""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from gateway.accounts.vault import Vault
from gateway.apis.inference_requests import words
from gateway.apis.inference_requests.schema import (
    DEFAULT_PRIORITY,
    IMMEDIATE,
    ConnectionDetails,
    Details,
    FhirResource,
    InferenceRequest,
    Resource,
)
from gateway.outbound.connection import Connection
from gateway.triton.admission import BULK, INTERACTIVE

T = TypeVar("T")

MAX_JOB_NAME = 63


class Wanted(NamedTuple):
    """A study, one of its series, or one of their instances, as a request names it."""

    study: str
    series: str | None = None
    instance: str | None = None


class Query(NamedTuple):
    """A search for studies: of a patient, or of an accession number."""

    by: str
    """`DICOM_PATIENT_ID` or `ACCESSION_NUMBER`."""
    value: str


class FhirWanted(NamedTuple):
    """A FHIR resource, and how it is to come."""

    type: str
    id: str
    format: str
    version: str


class Peer(NamedTuple):
    """A source or an output."""

    number: int
    """Its place among the request's, from 1."""
    interface: str
    connection: Connection


@dataclasses.dataclass(frozen=True)
class Asked:
    """A request as its job works on it."""

    transaction_id: str
    priority: int
    model: str
    version: str
    algorithm_name: str
    wanted: tuple[Wanted, ...]
    queries: tuple[Query, ...]
    fhir: tuple[FhirWanted, ...]
    sources: tuple[Peer, ...]
    outputs: tuple[Peer, ...]

    @property
    def inference_priority(self) -> int:
        """The place at a model: of 255 beside callers who wait, of 128 beside bulk work."""
        return INTERACTIVE if self.priority == IMMEDIATE else BULK + DEFAULT_PRIORITY - self.priority


class Algorithm(NamedTuple):
    """A model of Triton's as `connectionDetails.id` names it."""

    model: str
    version: str = ""
    """The newest when empty."""


_ID = re.compile(r"(?P<model>[A-Za-z0-9_.-]{1,128})(?::(?P<version>[0-9]{1,9}))?", re.ASCII)


def algorithm_of(pipeline_id: str | None) -> Algorithm | None:
    """Read `model` or `model:version`; None where it can be neither."""
    match = _ID.fullmatch(pipeline_id or "")
    return None if match is None else Algorithm(match["model"], match["version"] or "")


def stored(request: InferenceRequest, vault: Vault) -> dict[str, Any]:
    """Give a valid request as it is stored: no URI and no credential stands in it."""
    algorithm = request.algorithm
    assert algorithm is not None
    return {
        "transaction_id": request.transaction_id,
        "priority": request.priority,
        "algorithm": {"id": algorithm.id, "name": algorithm.name},
        "inputs": [dataclasses.asdict(each) for each in request.inputs],
        "sources": _interfaces(request.input_resources),
        "outputs": _interfaces(request.output_resources),
        # A repetition with other addresses or credentials is another request.
        "connections_hmac": vault.fingerprint(connections(request)),
    }


def connections(request: InferenceRequest) -> dict[str, Any]:
    """Give what a stored request leaves out: where its peers are, and how to prove who asks."""
    return {
        "sources": [_connection(each) for each in request.input_resources or ()],
        "outputs": [_connection(each) for each in request.output_resources or ()],
    }


def _interfaces(resources: tuple[Resource | None, ...] | None) -> list[str]:
    return [each.interface for each in resources or () if each is not None]


def _connection(resource: Resource | None) -> dict[str, Any]:
    details = (resource and resource.connection) or ConnectionDetails()
    return {"uri": details.uri or "", "auth_type": details.auth_type, "auth_id": details.auth_id}


def asked_of(request: Mapping[str, Any], opened: Mapping[str, Any], account: str) -> Asked:
    """Put a stored request and what was sealed together again."""
    inputs = [_details(each) for each in request["inputs"]]
    algorithm = algorithm_of(request["algorithm"]["id"])
    assert algorithm is not None
    return Asked(
        transaction_id=request["transaction_id"],
        priority=request["priority"],
        model=algorithm.model,
        version=algorithm.version,
        algorithm_name=request["algorithm"]["name"] or "",
        wanted=_once(each for details in inputs for each in _wanted(details)),
        queries=_once(each for details in inputs for each in _queries(details)),
        fhir=_once(each for details in inputs for each in _fhir(details)),
        sources=_peers(request["sources"], opened["sources"], account),
        outputs=_peers(request["outputs"], opened["outputs"], account),
    )


def job_name(asked: Asked, at: datetime) -> str:
    """Name a job for people, as the Clara DICOM Adapter does."""
    name = f"{asked.transaction_id}-{asked.algorithm_name}-{at:%Y%m%d%H%M%S}"
    name = re.sub("-+", "-", re.sub("[^A-Za-z0-9-]", "-", name)).strip("-")
    return name[:MAX_JOB_NAME].rstrip("-").lower()


def _once(found: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(found))


def _peers(interfaces: list[str], opened: list[Mapping[str, Any]], account: str) -> tuple[Peer, ...]:
    return tuple(
        Peer(number, interface, Connection(**connection, account=account))
        for number, (interface, connection) in enumerate(zip(interfaces, opened, strict=True), 1)
        if interface != words.ALGORITHM
    )


def _details(stored: Mapping[str, Any]) -> Details:
    return Details(**{**stored, "resources": tuple(FhirResource(**each) for each in stored["resources"])})


def _wanted(details: Details) -> list[Wanted]:
    if details.type != words.DICOM_UID:
        return []
    return [each for study in details.studies for each in _of_study(study)]  # type: ignore[arg-type]


def _of_study(study: Mapping[str, Any]) -> list[Wanted]:
    if not study["series"]:
        return [Wanted(study["uid"])]
    return [each for series in study["series"] for each in _of_series(study["uid"], series)]


def _of_series(study_uid: str, series: Mapping[str, Any]) -> list[Wanted]:
    if not series["instances"]:
        return [Wanted(study_uid, series["uid"])]
    return [Wanted(study_uid, series["uid"], uid) for uids in series["instances"] for uid in uids]


def _queries(details: Details) -> list[Query]:
    if details.type == words.PATIENT_ID:
        return [Query(words.PATIENT_ID, details.patient_id or "")]
    if details.type == words.ACCESSION_NUMBER:
        return [Query(words.ACCESSION_NUMBER, number or "") for number in details.accession_numbers]
    return []


def _fhir(details: Details) -> list[FhirWanted]:
    """Give the resources whatever the type is, as the original does."""
    return [
        FhirWanted(each.type or "", each.id or "", details.fhir_format, details.fhir_version)
        for each in details.resources
    ]
