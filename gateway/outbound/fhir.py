"""FHIR at a peer: resources read by id, and written under an id of ours, so that a repetition overwrites.

References
----------
FHIR R4 §3.1.0: read, update (as create), conditional create; §3.1.0.1.9 on media types.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from gateway.errors import InvalidRequest, PeerFailed
from gateway.outbound.client import Answer, Ask, Outbound
from gateway.outbound.connection import Connection

Format = Literal["Json", "Xml"]
Version = Literal["R1", "R2", "R3", "R4"]
MEDIA_TYPES: dict[Format, str] = {"Json": "application/fhir+json", "Xml": "application/fhir+xml"}
VERSIONS: dict[Version, str] = {"R1": "0.0", "R2": "1.0", "R3": "3.0", "R4": "4.0"}
"""The parameter fhirVersion, as the Clara DICOM Adapter sent it."""
_FORMATS: dict[str, Format] = {
    "application/fhir+json": "Json",
    "application/json+fhir": "Json",  # up to DSTU 2
    "application/json": "Json",
    "text/json": "Json",
    "application/fhir+xml": "Xml",
    "application/xml+fhir": "Xml",
    "application/xml": "Xml",
    "text/xml": "Xml",
}
_TYPE = re.compile(r"[A-Z][A-Za-z]{0,63}", re.ASCII)
_ID = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9.-]{1,64}", re.ASCII)
_CREATE_INSTEAD = frozenset({404, 405})
"""What peers answer to an update that would create, if they give the ids themselves."""


@dataclass(frozen=True)
class FhirDocument:
    """A resource as it came."""

    body: bytes
    format: Format
    """What the peer answered with, which need not be what it was asked for."""


class Fhir:
    """One peer's FHIR service, with one caller's credential.

    Raises
    ------
    PeerRefused
        No rule of the allow-list holds for the connection.
    """

    def __init__(self, outbound: Outbound, connection: Connection) -> None:
        self._outbound = outbound
        self._connection = connection
        self._peer = outbound.peer(connection)

    async def read(
        self, resource_type: str, resource_id: str, *, version: Version = "R3", format: Format = "Json"
    ) -> FhirDocument:
        """Read one resource.

        Raises
        ------
        InvalidRequest
            The type or the id is none of FHIR.
        OutboundError
        """
        ask = Ask(
            "fhir_read",
            "GET",
            resource_path(resource_type, resource_id),
            headers={"Accept": media_type(version, format)},
        )

        async def attempt() -> FhirDocument:
            async with self._outbound.open(self._connection, ask) as answer:
                body = await answer.document(self._outbound.limits.max_document_bytes)
                return _document(answer, body, resource_type, resource_id)

        return await self._outbound.retried("fhir_read", attempt)

    async def write(self, resource: Mapping[str, Any], *, version: Version = "R4") -> None:
        """Write a resource under the id that it has.

        A peer that gives the ids itself is asked to create the resource unless it has one with the same
        first `identifier`; without an identifier that is not tried.

        Raises
        ------
        InvalidRequest
            The type or the id is none of FHIR.
        OutboundError
        """
        try:
            await self._send("PUT", _path_of(resource), resource, version, {})
        except PeerFailed as error:
            condition = _condition(resource)
            if error.answered not in _CREATE_INSTEAD or condition is None:
                raise
            headers = {"If-None-Exist": condition}
            await self._send("POST", str(resource["resourceType"]), resource, version, headers)

    async def _send(
        self, method: str, path: str, resource: Mapping[str, Any], version: Version, extra: Mapping[str, str]
    ) -> None:
        ask = Ask(
            "fhir_write",
            method,
            path,
            headers={
                "Content-Type": media_type(version, "Json"),
                "Accept": media_type(version, "Json"),
                **extra,
            },
            body=json.dumps(resource, ensure_ascii=False, allow_nan=False).encode(),
            accepted=frozenset({200, 201, 204}),
        )

        async def attempt() -> None:
            async with self._outbound.open(self._connection, ask) as answer:
                await answer.document(self._outbound.limits.max_document_bytes)

        await self._outbound.retried("fhir_write", attempt)


def media_type(version: Version, format: Format) -> str:
    """Give the media type of a format and a version of FHIR."""
    return f"{MEDIA_TYPES[format]}; fhirVersion={VERSIONS[version]}"


def resource_path(resource_type: str, resource_id: str) -> str:
    """Give a resource's path.

    Raises
    ------
    InvalidRequest
    """
    if not _TYPE.fullmatch(resource_type):
        raise InvalidRequest("resourceType must be the name of a FHIR resource type", field="resourceType")
    if not _ID.fullmatch(resource_id):
        raise InvalidRequest("id must be 1 to 64 letters, digits, - or .", field="id")
    return f"{resource_type}/{resource_id}"


def _path_of(resource: Mapping[str, Any]) -> str:
    return resource_path(str(resource.get("resourceType", "")), str(resource.get("id", "")))


def _condition(resource: Mapping[str, Any]) -> str | None:
    identifier: Mapping[str, Any] = next(iter(resource.get("identifier") or ()), {})
    if not identifier.get("value"):
        return None
    token = f"{identifier.get('system', '')}|{identifier['value']}"
    return f"identifier={quote(token, safe='')}"


def _document(answer: Answer, body: bytes, resource_type: str, resource_id: str) -> FhirDocument:
    name = answer.peer.name
    found = _FORMATS.get(answer.response.content_type.lower())
    if found is None:
        raise PeerFailed(f"The peer {name} did not answer with FHIR JSON or XML", answered=answer.status)
    if found == "Json" and not _is_resource(body, resource_type, resource_id):
        raise PeerFailed(
            f"The peer {name} did not answer with the resource asked for", answered=answer.status
        )
    return FhirDocument(body, found)


def _is_resource(body: bytes, resource_type: str, resource_id: str) -> bool:
    try:
        resource = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(resource, dict)
        and resource.get("resourceType") == resource_type
        and resource.get("id") == resource_id
    )
