"""What an inference request says, in the contract's spelling."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.apis.inference_requests import words
from gateway.apis.inference_requests.binding import Node, bind

T = TypeVar("T")

MAX_BODY_BYTES = 2**20
DEFAULT_PRIORITY = 128
IMMEDIATE = 255


@dataclass(frozen=True)
class Series:
    """A series, whole where no instances are named."""

    uid: str | None
    instances: tuple[tuple[str | None, ...], ...] = ()
    """The UIDs of each `instances` element, which may be several."""


@dataclass(frozen=True)
class Study:
    """A study, whole where no series are named."""

    uid: str | None
    series: tuple[Series, ...] = ()


@dataclass(frozen=True)
class FhirResource:
    """A FHIR resource by type and id."""

    type: str | None
    id: str | None


@dataclass(frozen=True)
class Details:
    """What is to be assessed: `details`, or one of `inputs`."""

    type: str = words.UNKNOWN
    studies: tuple[Study, ...] = ()
    patient_id: str | None = None
    accession_numbers: tuple[str | None, ...] = ()
    resources: tuple[FhirResource, ...] = ()
    fhir_format: str = "Json"
    fhir_version: str = "R3"


@dataclass(frozen=True)
class ConnectionDetails:
    """Where a resource is; of an algorithm, which."""

    uri: str | None = None
    auth_type: str = "None"
    auth_id: str | None = field(default=None, repr=False)
    name: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class Resource:
    """One of `inputResources` or `outputResources`."""

    interface: str = words.ALGORITHM
    connection: ConnectionDetails | None = None


@dataclass(frozen=True)
class InferenceRequest:
    """The body of `POST /api/inference`; lists are None where null stands."""

    transaction_id: str | None = None
    priority: int = DEFAULT_PRIORITY
    inputs: tuple[Details, ...] = ()
    """`inputs`, then `details`."""
    input_resources: tuple[Resource | None, ...] | None = ()
    output_resources: tuple[Resource | None, ...] | None = ()

    @property
    def algorithm(self) -> ConnectionDetails | None:
        """The first algorithm; more are accepted, and not used."""
        return next((each.connection for each in self._algorithms()), None)

    def _algorithms(self) -> list[Resource]:
        return [each for each in self.input_resources or () if each and each.interface == words.ALGORITHM]


def parse(body: bytes, charset: str) -> InferenceRequest:
    """Read the body of `POST /api/inference`.

    Raises
    ------
    NotBound
    """
    return bind(body, charset, _request)


_REQUEST = {
    name.lower(): name
    for name in ("transactionID", "priority", "inputMetadata", "inputResources", "outputResources")
}
_METADATA = {"details": "details", "inputs": "inputs"}
_DETAILS = {
    name.lower(): name
    for name in (
        "type", "studies", "PatientID", "accessionNumber", "resources", "fhirFormat", "fhirVersion",
    )
}  # fmt: skip
_STUDY = {"studyinstanceuid": "uid", "series": "series"}
_SERIES = {"seriesinstanceuid": "uid", "instances": "instances"}
_INSTANCE = {"sopinstanceuid": "uids"}
_FHIR_RESOURCE = {"resourcetype": "type", "id": "id"}
_RESOURCE = {"interface": "interface", "connectiondetails": "connection"}
_CONNECTION = {
    "uri": "uri", "baseuri": "uri", "authid": "authID", "apikey": "authID", "authtype": "authType",
    "operations": "operations", "name": "name", "id": "id",
}  # fmt: skip


def _request(node: Node) -> InferenceRequest:
    found = node.members(_REQUEST)
    return InferenceRequest(
        transaction_id=_text(found, "transactionID"),
        priority=found["priority"].byte() if "priority" in found else DEFAULT_PRIORITY,
        inputs=_inputs(found.get("inputMetadata")),
        input_resources=_resources(found.get("inputResources")),
        output_resources=_resources(found.get("outputResources")),
    )


def _inputs(metadata: Node | None) -> tuple[Details, ...]:
    if metadata is None or metadata.is_null:
        return ()
    found = metadata.members(_METADATA)
    inputs = [each or Details() for each in _array(found, "inputs", _details)]
    if "details" in found and not found["details"].is_null:
        inputs.append(_details(found["details"]))
    return tuple(inputs)


def _details(node: Node) -> Details:
    found = node.members(_DETAILS)
    return Details(
        type=_word(found, "type", words.DETAILS_TYPE, words.UNKNOWN),
        studies=tuple(each or Study(None) for each in _array(found, "studies", _study)),
        patient_id=_text(found, "PatientID"),
        accession_numbers=tuple(_array(found, "accessionNumber", Node.text)),
        resources=tuple(
            each or FhirResource(None, None) for each in _array(found, "resources", _fhir_resource)
        ),
        fhir_format=_word(found, "fhirFormat", words.FHIR_FORMAT, "Json"),
        fhir_version=_word(found, "fhirVersion", words.FHIR_VERSION, "R3"),
    )


def _study(node: Node) -> Study:
    found = node.members(_STUDY)
    series = _array(found, "series", _series)
    return Study(_text(found, "uid"), tuple(each or Series(None) for each in series))


def _series(node: Node) -> Series:
    found = node.members(_SERIES)
    return Series(
        _text(found, "uid"), tuple(each or () for each in _array(found, "instances", _instance_uids))
    )


def _instance_uids(node: Node) -> tuple[str | None, ...]:
    return tuple(_array(node.members(_INSTANCE), "uids", Node.text))


def _fhir_resource(node: Node) -> FhirResource:
    found = node.members(_FHIR_RESOURCE)
    return FhirResource(_text(found, "type"), _text(found, "id"))


def _resources(node: Node | None) -> tuple[Resource | None, ...] | None:
    if node is None:
        return ()
    return None if node.is_null else tuple(node.array(_resource))


def _resource(node: Node) -> Resource:
    found = node.members(_RESOURCE)
    connection = found.get("connection")
    return Resource(
        _word(found, "interface", words.INTERFACE, words.ALGORITHM),
        None if connection is None or connection.is_null else _connection(connection),
    )


def _connection(node: Node) -> ConnectionDetails:
    found = node.members(_CONNECTION)
    _array(found, "operations", lambda each: each.word(words.OPERATION))  # nothing hangs on them
    return ConnectionDetails(
        uri=_text(found, "uri"),
        auth_type=_word(found, "authType", words.AUTH_TYPE, "None"),
        auth_id=_text(found, "authID"),
        name=_text(found, "name"),
        id=_text(found, "id"),
    )


def _text(found: dict[str, Node], name: str) -> str | None:
    return found[name].text() if name in found else None


def _word(found: dict[str, Node], name: str, enumeration: words.Enumeration, default: str) -> str:
    return found[name].word(enumeration) if name in found else default


def _array(found: dict[str, Node], name: str, read: Callable[[Node], T]) -> list[T | None]:
    return found[name].array(read) if name in found and not found[name].is_null else []
