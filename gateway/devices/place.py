"""Where somebody is, as far as it is kept: country and provider of an address, and its network; never the address."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import maxminddb

from .. import logs
from . import allocated

Data: TypeAlias = Literal["countries", "providers"]

_log: Final = logs.get("places")
#: ISO 3166-1 alpha-2; besides countries the registries write EU and AP for regions, and some ZZ or XX for nowhere.
_CODE: Final = re.compile(r"(?!EU|AP|ZZ|XX)[A-Z]{2}")


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
        reader = maxminddb.open_database(path)
        # One without a whole description opens, and fails when it is asked.
        _made_at_ms(reader)
    except Exception:
        # Whatever the library makes of bytes that are no database: TypeError, for one.
        raise PlaceFileError(path) from None
    return reader


def _made_at_ms(reader: maxminddb.Reader) -> int:
    return int(reader.metadata().build_epoch) * 1_000


def fetched_file(directory: Path, data: Data) -> Path:
    """Where `latchstring geo update` puts what it has fetched."""
    return directory / f"{data}.mmdb"


class Origin(NamedTuple):
    """What tells countries, or providers, at present, and when it was made (None: it does not say)."""

    data: Data
    source: str
    made_at_ms: int | None


class Places:
    """Looks addresses up in the operator's files: one of countries or cities, one of networks (ASN).

    Where a file is not named, the one that `latchstring geo update` has put into the directory `fetched` serves, and
    until there is one of countries, what the registries have allocated (allocated.py). Without `fetched` nothing does.
    Raises PlaceFileError if a named file cannot be used at the start; later, a bad one leaves the former in place.
    """

    def __init__(
        self, countries: Path | None = None, networks: Path | None = None, *, fetched: Path | None = None
    ) -> None:
        self._countries = _file(countries, fetched, "countries")
        self._networks = _file(networks, fetched, "providers")
        self._knows_allocated = countries is None and fetched is not None

    def follow(self) -> bool:
        """Open files anew that have changed; True if any has. Files are to be replaced, never written over."""
        changed = [file.follow() for file in (self._countries, self._networks) if file is not None]
        return any(changed)

    def of(self, address: str) -> Place:
        """The place of an address; an address that is none is nowhere."""
        parsed = _parsed(address)
        if parsed is None:
            return Place()
        network = self._networks.get(parsed) if self._networks is not None else {}
        asn, provider = network.get("autonomous_system_number"), network.get("autonomous_system_organization")
        return Place(
            self._country(parsed),
            asn if isinstance(asn, int) else None,
            provider if isinstance(provider, str) else None,
        )

    def origins(self) -> list[Origin]:
        """What is used, countries first; nothing of what is not known."""
        told = [self._origin("countries", self._countries), self._origin("providers", self._networks)]
        return [origin for origin in told if origin is not None]

    def _country(self, address: IPv4Address | IPv6Address) -> str | None:
        if self._countries is not None and self._countries.is_open:
            code = _code_in(self._countries.get(address))
        else:
            code = allocated.country(str(address)) if self._knows_allocated else None
        return code if isinstance(code, str) and _CODE.fullmatch(code) else None

    def _origin(self, data: Data, file: "_File | None") -> Origin | None:
        if file is not None and file.is_open:
            return Origin(data, str(file.path), file.made_at_ms)
        if data == "countries" and self._knows_allocated:
            return Origin(data, f"package {allocated.PACKAGE}", allocated.made_at_ms())
        return None


def _file(named: Path | None, fetched: Path | None, data: Data) -> "_File | None":
    if named is not None:
        return _File(named, may_lack=False)
    return None if fetched is None else _File(fetched_file(fetched, data), may_lack=True)


def _code_in(record: dict[str, Any]) -> object:
    """The country in a record of MaxMind's layout, or of the flat one that others use."""
    country = record.get("country") or record.get("registered_country")
    return country.get("iso_code") if isinstance(country, dict) else record.get("country_code")


class _File:
    def __init__(self, path: Path, *, may_lack: bool) -> None:
        self.path = path
        self._stamp = _stamp(path)
        self._reader: maxminddb.Reader | None = None
        self._made_at_ms: int | None = None
        if not may_lack:
            self._take(open_place_file(path))
        elif self._stamp is not None:
            self._open()

    @property
    def is_open(self) -> bool:
        return self._reader is not None

    @property
    def made_at_ms(self) -> int | None:
        return self._made_at_ms

    def follow(self) -> bool:
        stamp = _stamp(self.path)
        if stamp is None or stamp == self._stamp:
            return False
        self._stamp = stamp
        return self._open()

    def get(self, address: IPv4Address | IPv6Address) -> dict[str, Any]:
        try:
            found = None if self._reader is None else self._reader.get(address)
        except Exception:
            # A damaged record says nothing of this address, and the sign-in that asks goes on.
            return {}
        return found if isinstance(found, dict) else {}

    def _open(self) -> bool:
        try:
            self._take(open_place_file(self.path))
        except PlaceFileError as error:
            _log.error("place_file_unusable", reason=str(error))
            return False
        return True

    def _take(self, reader: maxminddb.Reader) -> None:
        self._reader, self._made_at_ms = reader, _made_at_ms(reader)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
