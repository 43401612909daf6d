"""Where a device signs in from: the network, never the address."""

import pytest

from latchstring_gateway.devices.place import prefix_of


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("::1", "::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("", ""),
        ("unix:", ""),
        ("192.0.2.77:443", ""),
        ("192.0.2.777", ""),
        ("192.000.002.077", ""),
        ("example.com", ""),
        (" 192.0.2.77", ""),
        ("\x00", ""),
    ],
)
def test_an_address_is_kept_only_as_its_network(address: str, prefix: str) -> None:
    """/24 and /48 in CIDR notation, without a zone; junk says nothing."""
    assert prefix_of(address) == prefix
