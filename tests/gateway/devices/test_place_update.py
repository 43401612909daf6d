"""New data of places take the former's place, or nothing happens at all."""

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.people import place_file
from harness.places import statistics_file
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.devices.place import Place, Places
from latchstring_gateway.devices.place_source import PlaceSourceError
from latchstring_gateway.devices.place_update import update

_PROVIDERS = {
    "193.0.0.0/21": {"autonomous_system_number": 3333, "autonomous_system_organization": "RIPE NCC"},
    "2001:67c:2e8::/48": {"autonomous_system_number": 3333, "autonomous_system_organization": "RIPE NCC"},
    "8.8.8.0/24": {"autonomous_system_number": 15169, "autonomous_system_organization": "Google LLC"},
    "1.1.1.0/24": {"autonomous_system_number": 13335, "autonomous_system_organization": "Cloudflare"},
}
_COUNTRIES = {
    "193.0.0.0/21": "NL",
    "2001:67c:2e8::/48": "NL",
    "8.8.8.0/24": "US",
    "202.12.29.0/24": "AU",
    "200.3.14.0/24": "UY",
    "196.25.0.0/16": "ZA",
}


def _countries(path: Path, *, flat: bool = False, **changes: str | None) -> Path:
    chosen = {network: changes.get(code, code) for network, code in _COUNTRIES.items()}
    records: dict[str, Any] = {
        network: {"country_code": code} if flat else {"country": {"iso_code": code}}
        for network, code in chosen.items()
        if code is not None
    }
    return place_file(path, records)


def test_workers_use_the_new_data_without_a_restart(tmp_path: Path) -> None:
    """First what is built in, then the statistics, then a file of another layout, each by the next look."""
    directory = tmp_path / "places"
    places = Places(fetched=directory)
    assert places.of("193.0.6.139").country == "NL"
    assert places.of("198.18.1.1").country is None

    path = update("countries", str(statistics_file(tmp_path)), directory, SystemClock())

    assert (places.follow(), places.of("198.18.1.1").country, places.of("91.1.2.3").country) == (True, "SE", None)
    assert [(origin.source, origin.made_at_ms) for origin in places.origins()] == [(str(path), 1_795_478_400_000)]
    update("countries", str(_countries(tmp_path / "flat", flat=True)), directory, SystemClock())
    assert (places.follow(), places.of("198.18.1.1").country, places.of("8.8.8.8").country) == (True, None, "US")
    assert sorted(path.name for path in directory.iterdir()) == [".updating", "countries.mmdb"]


def test_providers_come_from_a_file_that_is_named(tmp_path: Path) -> None:
    """They are told beside the countries that are built in."""
    update("providers", str(place_file(tmp_path / "p", _PROVIDERS)), tmp_path / "places", SystemClock())

    assert Places(fetched=tmp_path / "places").of("8.8.8.8") == Place("US", 15169, "Google LLC")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: _countries(path, NL=None), "tells nothing of 193.0.6.139"),
        (lambda path: _countries(path, NL="SE", US="CA"), "wrong places"),
        (lambda path: _countries(path, NL="A\r"), "tells nothing of 193.0.6.139"),
        (lambda path: place_file(path, _PROVIDERS), "tells nothing of 193.0.6.139"),
        (lambda path: path, "No such file"),
        (lambda path: path.write_bytes(b"junk") and path, "expected a MaxMind DB"),
        (lambda path: path.write_bytes(_countries(path).read_bytes()[1000:]) and path, "tells nothing|.mmdb"),
    ],
    ids=["a country lacks", "two are wrong", "no code", "providers instead", "no file", "junk", "its head is missing"],
)
def test_data_that_do_not_stand_the_trial_change_nothing(
    tmp_path: Path, make: Callable[[Path], Path], told: str
) -> None:
    """The former file stays to the byte, and nothing is left of the new one."""
    directory = tmp_path / "places"
    former = update("countries", str(_countries(tmp_path / "good")), directory, SystemClock()).read_bytes()

    with pytest.raises(PlaceSourceError, match=told):
        update("countries", str(make(tmp_path / "bad")), directory, SystemClock())

    assert (directory / "countries.mmdb").read_bytes() == former
    assert sorted(path.name for path in directory.iterdir()) == [".updating", "countries.mmdb"]


def test_one_known_address_may_have_moved(tmp_path: Path) -> None:
    """What we hold for known grows old, too."""
    assert update("countries", str(_countries(tmp_path / "c", UY="AR")), tmp_path / "places", SystemClock()).exists()


def test_two_updates_at_once_do_not_meet(tmp_path: Path) -> None:
    """The second is refused; what a killed one left behind is cleared away by the next."""
    directory = tmp_path / "places"
    (directory / "new").mkdir(parents=True)
    (directory / "new" / "fetched").write_bytes(b"half")
    source = str(_countries(tmp_path / "c"))

    with (directory / ".updating").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(PlaceSourceError, match="another update"):
            update("countries", source, directory, SystemClock())
    update("countries", source, directory, SystemClock())

    assert not (directory / "new").exists()


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """By its path."""
    (tmp_path / "places").write_text("a file")

    with pytest.raises(PlaceSourceError, match="places"):
        update("countries", str(_countries(tmp_path / "c")), tmp_path / "places", SystemClock())
