"""The allow-list: which peers may be reached, where they are, and how they are spoken to."""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from gateway.errors import PeerRefused
from gateway.outbound.addresses import is_open
from gateway.outbound.locations import Location, locate


class Peer(BaseModel):
    """One rule of the allow-list: a service, and the networks that its name may lead to."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Stands in messages, logs and metrics")
    url: str = Field(description="Base URL; the peer is this path and everything below it")
    networks: tuple[IPvAnyNetwork, ...] = Field(
        min_length=1, description="Networks (CIDR) that the peer's addresses must lie in"
    )
    plain_http: bool = Field(False, description="http:// is meant: credentials and images travel in clear")
    ca_file: Path | None = Field(None, description="PEM of who signed the peer's certificate")
    client_certificate_file: Path | None = Field(None, description="PEM that this side shows (mutual TLS)")
    client_key_file: Path | None = Field(None, description="PEM of its key, if in a file of its own")
    accounts: tuple[str, ...] = Field((), description="Who may use the peer; empty: every caller")
    trailing_slash: bool = Field(True, description="Ask for studies/{uid}/ rather than studies/{uid}")
    transfer_syntaxes: tuple[Annotated[str, Field(pattern=r"^(\*|[0-9.]{1,64})$")], ...] = Field(
        (), description="Transfer syntaxes to ask for, `*` for as stored; empty: the peer's choice"
    )
    connections: int = Field(8, ge=1, description="Connections kept to the peer at a time")

    @field_validator("url")
    @classmethod
    def _well_formed(cls, url: str) -> str:
        locate(url)
        return url

    @model_validator(mode="after")
    def _consistent(self) -> "Peer":
        if self.location.scheme == "http" and not self.plain_http:
            raise ValueError('an http:// url needs "plain_http": true')
        if self.client_key_file and not self.client_certificate_file:
            raise ValueError("client_key_file needs client_certificate_file")
        if not self._literal_is_open():
            raise ValueError("the address in url lies outside networks")
        return self

    def _literal_is_open(self) -> bool:
        try:
            return is_open(self.location.host.strip("[]"), self.networks)
        except ValueError:
            return True  # a name, which is looked at when it leads somewhere

    @property
    def location(self) -> Location:
        """The base URL taken apart."""
        return locate(self.url)

    def ssl_context(self) -> ssl.SSLContext:
        """Make what checks the peer's certificate, and shows ours where it wants one.

        Raises
        ------
        OSError
            A file is not there or is not what it should be.
        """
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.client_certificate_file:
            context.load_cert_chain(self.client_certificate_file, self.client_key_file)
        return context


def load_peers(file: Path | None) -> tuple[Peer, ...]:
    """Read the allow-list, a JSON array of `Peer`; none where no file is named.

    Raises
    ------
    ValueError
        Not such a list; the message names the entries and fields, not their values.
    OSError
        The file cannot be read.
    """
    if file is None:
        return ()
    try:
        peers = TypeAdapter(tuple[Peer, ...]).validate_json(file.read_bytes())
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        raise ValueError("; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in faults)) from None
    if len({peer.name for peer in peers}) < len(peers):
        raise ValueError("two peers have the same name")
    return peers


class AllowList:
    """Finds the rule that a URI falls under; where none does, nothing goes out."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        # The longest path is the most particular rule.
        self._rules = sorted(((peer.location, peer) for peer in peers), key=lambda rule: -len(rule[0].path))

    def find(self, uri: str, account: str) -> tuple[Peer, Location]:
        """Give the peer that a URI belongs to, and the URI taken apart.

        Raises
        ------
        PeerRefused
        """
        try:
            location = locate(uri)
        except ValueError as error:
            raise PeerRefused(f"Refused by the peer rules: the URI is not acceptable, {error}") from None
        for base, peer in self._rules:
            if location.is_below(base) and (not peer.accounts or account in peer.accounts):
                return peer, location
        raise PeerRefused("Refused by the peer rules: none allows this scheme, host, port and path")
