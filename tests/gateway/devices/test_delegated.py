"""The registries' statistics become a file that any reader of MaxMind DBs understands."""

from pathlib import Path
from typing import Any

import maxminddb
import pytest

from harness.places import STATISTICS
from latchstring_gateway.devices.delegated import BadStatisticsError, write_countries


def _country(path: Path, address: str) -> object:
    found: Any = maxminddb.open_database(path).get(address)
    return found and found["country"]["iso_code"]


def test_countries_of_what_is_given_out(tmp_path: Path) -> None:
    """In both families, to the address; what is reserved or only available is nowhere."""
    path = tmp_path / "c.mmdb"
    write_countries(STATISTICS.splitlines(), path)

    inside = {"193.0.0.0": "NL", "193.0.15.255": "NL", "196.25.0.0": "ZA", "2001:67c:2e8:ffff::1": "NL"}
    # Three /24 in a row are no network of their own.
    inside |= {"198.18.0.0": "SE", "198.18.2.255": "SE"}
    outside = ["192.255.255.255", "193.0.16.0", "198.17.255.255", "198.18.3.0", "203.0.113.1", "2001:67c:2e9::1"]
    assert {address: _country(path, address) for address in inside} == inside
    assert {_country(path, address) for address in outside} == {None}


def test_the_file_is_dated_as_the_statistics_are(tmp_path: Path) -> None:
    """And not when it was written, or old data would pass for new."""
    path = tmp_path / "c.mmdb"
    write_countries(STATISTICS.splitlines(), path)

    assert maxminddb.open_database(path).metadata().build_epoch == 1_795_478_400  # 2026-11-24


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text[: len(text) * 2 // 3].rpartition("\n")[0], "expected 10 records"),
        (lambda text: text.replace("|4096|", "|many|"), "line "),
        (lambda text: text.replace("193.0.0.0", "193.0.0"), "line "),
        (lambda text: text.replace("2001:67c:2e8::|48", "2001:67c:2e8::|480"), "line "),
        (lambda text: text.replace("|ipv4|193.0.0.0", "|ipv6|193.0.0.0"), "line "),
        (lambda text: text.replace("|ipv4|193.0.0.0|4096", "|ipv4|193.0.0.0|0"), "line "),
        (lambda text: text.replace("|20261124|+0000", "|today|+0000"), "line "),
        (lambda _: "<html>moved</html>", "line 1"),
        (lambda _: "", "expected 0 records"),
    ],
    ids=["cut off", "count", "address", "bits", "family", "nothing", "date", "another file", "empty"],
)
def test_statistics_that_are_damaged_are_refused(tmp_path: Path, change: object, told: str) -> None:
    """With the line, and nothing is written."""
    assert callable(change)
    with pytest.raises(BadStatisticsError, match=told):
        write_countries(change(STATISTICS).splitlines(), tmp_path / "c.mmdb")

    assert list(tmp_path.iterdir()) == []
