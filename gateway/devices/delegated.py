"""Countries from the statistics of the five Internet registries: read, and written as a MaxMind DB.

The format is the RIR Statistics Exchange Format; the NRO publishes one file of all five, a few lines of which are

    2|nro|20261124|700123|19821213|20261124|+0000
    nro|*|ipv4|*|260321|summary
    ripencc|NL|ipv4|193.0.0.0|4096|19930901|allocated|8d1a…|e-stats
    apnic|AU|ipv6|2001:dc0::|35|20020801|allocated|A91…|e-stats
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from mmdb_writer import MMDBWriter
from netaddr import IPNetwork, IPSet, iprange_to_cidrs

_GIVEN_OUT: Final = frozenset({"allocated", "assigned"})
_ABOUT: Final = "Countries of addresses, from the statistics of AFRINIC, APNIC, ARIN, LACNIC and RIPE NCC (nro.net)"


class BadStatisticsError(Exception):
    """The file is not what the registries publish, or a part of it; the message says where."""


def write_countries(lines: Iterable[str], path: Path) -> None:
    """Write the countries of all addresses that are given out, dated as the statistics are.

    Takes about 10 s for the whole Internet. Raises BadStatisticsError; then nothing is written.
    """
    made_at, by_country = _read(lines)
    writer = _Writer(made_at)
    for country, networks in sorted(by_country.items()):
        writer.insert_network(IPSet(networks), {"country": {"iso_code": country}})
    writer.to_db_file(str(path))


def _read(lines: Iterable[str]) -> tuple[datetime, dict[str, list[IPNetwork]]]:
    made_at, expected, found = None, 0, 0
    by_country: dict[str, list[IPNetwork]] = defaultdict(list)
    for number, line in enumerate(lines, 1):
        fields = line.strip().split("|")
        try:
            if len(fields) < 6 or fields[5] == "summary":
                if line.strip() and not line.startswith("#") and fields[-1] != "summary":
                    raise ValueError
            elif made_at is None:
                made_at, expected = datetime.strptime(fields[5], "%Y%m%d").replace(tzinfo=UTC), int(fields[3])
            else:
                found += 1
                if fields[2] != "asn" and fields[6] in _GIVEN_OUT:
                    by_country[fields[1]] += _networks(fields[2], fields[3], int(fields[4]))
        except (ValueError, IndexError):
            raise BadStatisticsError(f"line {number} is none of the RIR Statistics Exchange Format") from None
    if made_at is None or found != expected:
        raise BadStatisticsError(f"expected {expected} records, as its first line says; got {found}")
    return made_at, by_country


def _networks(kind: str, start: str, value: int) -> list[IPNetwork]:
    """The networks of a record: `value` counts the addresses of IPv4, and the bits of an IPv6 network."""
    first = ip_address(start)
    if kind != f"ipv{first.version}" or not 0 < value <= (128 if first.version == 6 else 1 << 32):
        raise ValueError
    if first.version == 6:
        return [IPNetwork(f"{first}/{value}")]
    last = ip_address(int(first) + value - 1)
    return list(iprange_to_cidrs(str(first), str(last)))


class _Writer(MMDBWriter):
    def __init__(self, made_at: datetime) -> None:
        super().__init__(6, "Latchstring-Country", languages=["en"], description={"en": _ABOUT}, ipv4_compatible=True)
        self._made_at = made_at

    def _build_meta(self) -> dict[str, Any]:
        # It would say when it was written, and data of last year would pass for new.
        return {**super()._build_meta(), "build_epoch": round(self._made_at.timestamp())}
