"""A base URI taken apart, strictly: one way to write each place, and nothing in it that hides another."""

import ipaddress
import re
from typing import NamedTuple

MAX_CHARACTERS = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}
_URI = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,=:@/-]*)?",
    re.IGNORECASE | re.ASCII,
)


class Location(NamedTuple):
    """Where a service is."""

    scheme: str
    host: str
    """In lower case; IPv6 in brackets."""
    port: int
    path: str
    """Begins and ends with "/"."""

    @property
    def url(self) -> str:
        """The base URL, which relative paths can be appended to."""
        return f"{self.scheme}://{self.host}:{self.port}{self.path}"

    def is_below(self, other: "Location") -> bool:
        """Whether this is the other's host and port, and its path or one below."""
        return self[:3] == other[:3] and self.path.startswith(other.path)


def locate(uri: str) -> Location:
    """Take a base URI apart.

    Raises
    ------
    ValueError
        With a sentence that does not quote the URI.
    """
    match = _URI.fullmatch(uri) if len(uri) <= MAX_CHARACTERS else None
    if match is None:
        raise ValueError(_what_is_wrong(uri))
    scheme = match["scheme"].lower()
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    if not 0 < port < 65536:
        raise ValueError("its port is not between 1 and 65535")
    path = re.sub("/+", "/", f"{match['path'] or ''}/")
    if {".", ".."} & set(path.split("/")):
        raise ValueError("its path has a segment . or ..")
    return Location(scheme, _host(match["host"].lower()), port, path)


def _host(host: str) -> str:
    if not host.startswith("["):
        return host
    return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"


def _what_is_wrong(uri: str) -> str:
    if len(uri) > MAX_CHARACTERS:
        return f"it has more than {MAX_CHARACTERS} characters"
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme.lower() not in _DEFAULT_PORTS:
        return "it does not begin with http:// or https://"
    if "@" in re.split(r"[/?#\\]", rest)[0]:
        return "it holds user information"
    if "?" in rest or "#" in rest:
        return "it has a query or a fragment"
    if "%" in rest or "\\" in rest:
        return "it has an escape or a backslash"
    return "it is not a host, a port and a path in plain characters"
