"""Where a device signs in from, as far as it is kept: the network prefix of its address, never the address."""

from ipaddress import IPv4Address, ip_address, ip_network


def prefix_of(address: str) -> str:
    """The /24 (IPv4) or /48 (IPv6) network of an address, in CIDR notation; empty if it is no address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if parsed.version == 6 and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    bits = 24 if isinstance(parsed, IPv4Address) else 48
    return str(ip_network(f"{parsed}/{bits}", strict=False))
