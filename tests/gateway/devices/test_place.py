"""Where somebody is: country, provider and network, never the address."""

from pathlib import Path

import pytest

from harness.people import place_file
from latchstring_gateway.devices.place import Place, PlaceFileError, Places, prefix_of


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


def test_country_and_network_of_an_address(tmp_path: Path) -> None:
    """From either file, in either family; where nothing is known, nothing is said."""
    countries = place_file(
        tmp_path / "countries.mmdb",
        {
            "203.0.113.0/24": {"country": {"iso_code": "SE"}},
            "2001:db8:1::/48": {"registered_country": {"iso_code": "NO"}},
            "198.51.100.0/24": {"country": "SE"},
        },
    )
    networks = place_file(
        tmp_path / "networks.mmdb",
        {"203.0.113.0/24": {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Net"}},
    )
    places = Places(countries, networks)

    assert places.of("203.0.113.7") == Place("SE", 64500, "Example Net")
    assert places.of("2001:db8:1::7") == Place("NO")
    for nowhere in ("198.51.100.7", "192.0.2.1", "unix:", "", "203.0.113.7:443", "\0"):
        assert places.of(nowhere) == Place()
    assert Places().of("203.0.113.7") == Place()


def test_a_new_file_is_followed_and_a_bad_one_is_not(tmp_path: Path) -> None:
    """The operator puts this month's file in place while shippers run; one that was cut off changes nothing."""
    path = place_file(tmp_path / "c.mmdb", {"203.0.113.0/24": {"country": {"iso_code": "SE"}}})
    places = Places(path)

    place_file(tmp_path / "new", {"203.0.113.0/24": {"country": {"iso_code": "NO"}}}).replace(path)
    assert (places.follow(), places.of("203.0.113.7").country) == (True, "NO")
    (tmp_path / "bad").write_bytes(b"half a file")
    (tmp_path / "bad").replace(path)
    assert (places.follow(), places.of("203.0.113.7").country) == (False, "NO")
    path.unlink()
    assert (places.follow(), places.of("203.0.113.7").country) == (False, "NO")


def test_a_file_that_is_no_database_is_told_at_the_start(tmp_path: Path) -> None:
    """By its path, before anything runs on it."""
    (tmp_path / "bad.mmdb").write_bytes(b"no database")

    for path in (tmp_path / "bad.mmdb", tmp_path / "none.mmdb"):
        with pytest.raises(PlaceFileError, match=path.name):
            Places(path)


@pytest.mark.parametrize("field", [b"build_epoch", b"record_size", b"node_count", b"database_type"])
def test_a_file_without_a_whole_description_is_no_database(tmp_path: Path, field: bytes) -> None:
    """A geo file without metadata ended the task that watches the files: the library raised TypeError."""
    path = place_file(tmp_path / "c.mmdb", {"203.0.113.0/24": {"country": {"iso_code": "SE"}}})
    places = Places(path)
    begin, mark, metadata = path.read_bytes().rpartition(b"MaxMind.com")
    (tmp_path / "bad").write_bytes(begin + mark + metadata.replace(field, b"x" * len(field)))

    with pytest.raises(PlaceFileError):
        Places(tmp_path / "bad")
    (tmp_path / "bad").replace(path)
    assert (places.follow(), places.of("203.0.113.7").country) == (False, "SE")
    place_file(tmp_path / "new", {"203.0.113.0/24": {"country": {"iso_code": "NO"}}}).replace(path)
    assert (places.follow(), places.of("203.0.113.7").country) == (True, "NO")


def test_any_damage_of_a_file_costs_at_most_what_it_says(tmp_path: Path) -> None:
    """Bytes of a small file spoilt in turn: opened or refused, and when asked, it raises nothing else."""
    whole = place_file(tmp_path / "c.mmdb", {"203.0.113.0/24": {"country": {"iso_code": "SE"}}}).read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 300)):
        path = tmp_path / f"{at}.mmdb"
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            places = Places(path)
        except PlaceFileError:
            continue
        places.of("203.0.113.7")
        places.origins()
