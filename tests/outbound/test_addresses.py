import ipaddress

import pytest

from gateway.outbound.addresses import is_open

ANYWHERE = ("0.0.0.0/0", "::/0")


def networks(*names):
    return [ipaddress.ip_network(name) for name in names]


@pytest.mark.parametrize(
    ("address", "opened_by"),
    [
        ("10.1.2.3", "10.1.0.0/16"),
        ("::ffff:10.1.2.3", "10.1.0.0/16"),  # what a dual-stack socket says of IPv4
        ("127.0.0.1", "127.0.0.0/8"),
        ("fd00::1", "fd00::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("203.0.113.9", "0.0.0.0/0"),
        ("2600:1f00::1", "::/0"),
    ],
)
def test_opens_what_the_rule_names(address, opened_by):
    assert is_open(address, networks(opened_by))


@pytest.mark.parametrize("address", ["10.2.0.1", "203.0.113.9", "::1", "::ffff:10.2.0.1", "::10.1.2.3"])
def test_opens_nothing_else(address):
    assert not is_open(address, networks("10.1.0.0/16"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.31.0.1", "192.168.1.1", "100.64.0.1",
        "169.254.169.254", "224.0.0.1", "255.255.255.255",
        "::1", "::", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "ff02::1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::",
    ],
)  # fmt: skip
def test_a_rule_for_anywhere_opens_nothing_inside(address):
    assert not is_open(address, networks(*ANYWHERE))


def test_no_networks_open_nothing():
    assert not is_open("203.0.113.9", [])
