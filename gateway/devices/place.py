"""Where somebody is, as far as it is kept: country and provider of an address, and its network; never the address."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any, Final, NamedTuple

import maxminddb

from .. import logs

_log: Final = logs.get("places")


def prefix_of(address: str) -> str:
    """The /24 (IPv4) or /48 (IPv6) network of an address, in CIDR notation; empty if it is no address."""
    parsed = _parsed(address)
    if parsed is None:
        return ""
    bits = 24 if isinstance(parsed, IPv4Address) else 48
    return str(ip_network(f"{parsed}/{bits}", strict=False))


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """An address, without what some systems put around one of IPv4 or after one of their links; None if it is none."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return parsed.ipv4_mapped or parsed if isinstance(parsed, IPv6Address) else parsed


class Place(NamedTuple):
    """Country (ISO 3166-1 alpha-2), number and name of the network that announces an address; None: not known."""

    country: str | None = None
    asn: int | None = None
    provider: str | None = None


class PlaceFileError(Exception):
    """The file is no MaxMind DB; the argument says which."""

    def __str__(self) -> str:
        return f"{self.args[0]}: expected a readable file in the MaxMind DB format (.mmdb)"


def open_place_file(path: Path) -> maxminddb.Reader:
    """The database in a file. Raises PlaceFileError."""
    try:
        return maxminddb.open_database(path)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError):
        raise PlaceFileError(path) from None


class Places:
    """Looks addresses up in the operator's files: one of countries or cities, one of networks (ASN); both optional.

    Raises PlaceFileError if a file cannot be used at the start; later, a bad one leaves the former in place.
    """

    def __init__(self, countries: Path | None = None, networks: Path | None = None) -> None:
        self._files = [_File(path) if path is not None else None for path in (countries, networks)]

    def follow(self) -> bool:
        """Open files anew that have changed; True if any has."""
        changed = [file.follow() for file in self._files if file is not None]
        return any(changed)

    def of(self, address: str) -> Place:
        """The place of an address; an address that is none is nowhere."""
        parsed = _parsed(address)
        if parsed is None:
            return Place()
        countries, networks = (file.get(parsed) if file is not None else {} for file in self._files)
        country = countries.get("country") or countries.get("registered_country")
        code = country.get("iso_code") if isinstance(country, dict) else None
        asn, provider = networks.get("autonomous_system_number"), networks.get("autonomous_system_organization")
        return Place(
            code if isinstance(code, str) else None,
            asn if isinstance(asn, int) else None,
            provider if isinstance(provider, str) else None,
        )


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._reader = open_place_file(path)

    def follow(self) -> bool:
        stamp = _stamp(self._path)
        if stamp is None or stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._reader = open_place_file(self._path)
        except PlaceFileError as error:
            _log.error("place_file_unusable", reason=str(error))
            return False
        return True

    def get(self, address: IPv4Address | IPv6Address) -> dict[str, Any]:
        try:
            found = self._reader.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError):
            return {}
        return found if isinstance(found, dict) else {}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
