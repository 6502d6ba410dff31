"""Which addresses a socket may be connected to."""

import ipaddress
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SPECIAL = tuple(
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
        "::/128", "::1/128", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16",
        "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
"""Loopback, link-local (metadata services), private, multicast, IPv6 around IPv4 (IANA registries)."""


def is_open(address: str, networks: Iterable[Network]) -> bool:
    """Tell whether one of the networks opens an address.

    IPv4 mapped into IPv6 counts as the IPv4 that it is. A network opens addresses of a special range only
    when it lies within that range, so that 0.0.0.0/0, meant for "anywhere outside", opens no loopback.
    """
    found: Address = ipaddress.ip_address(address.partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    return any(_opens(network, found) for network in networks)


def _opens(network: Network, address: Address) -> bool:
    if address not in network:
        return False
    return all(_within(network, special) for special in SPECIAL if address in special)


def _within(network: Network, other: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and network.subnet_of(other)
    return isinstance(other, ipaddress.IPv6Network) and network.subnet_of(other)
