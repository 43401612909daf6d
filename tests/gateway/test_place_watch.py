"""A worker takes up new data of places by itself, and says when they are old."""

from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from harness.people import place_file
from harness.places import STATISTICS
from harness.worker_app import running_worker, settings_for
from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.devices.place import Places
from latchstring_gateway.devices.place_update import update
from latchstring_gateway.place_watch import PlaceWatch
from latchstring_gateway.sessions.country import ClientCountry
from latchstring_middleware.forwarded import TrustedProxies

_DAY_MS = 86_400_000


def _watch(places: Places, clock: ManualClock) -> PlaceWatch:
    return PlaceWatch(places, ClientCountry(TrustedProxies.parse(""), places), clock, old_days=90)


def _age(data: str) -> float | None:
    return REGISTRY.get_sample_value("latchstring_place_data_age_seconds", {"data": data})


async def test_old_data_are_a_warning_once_and_an_age(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the date that the data bear; newer ones end it."""
    path = place_file(tmp_path / "c.mmdb", {"203.0.113.0/24": {"country": {"iso_code": "SE"}}})
    now_ms = SystemClock().wall_ms()
    watch = _watch(Places(path), ManualClock(now_ms + 91 * _DAY_MS))

    await watch.follow()
    await watch.follow()

    assert watch.old == ["old_countries"]
    assert _age("countries") == pytest.approx(91 * 86_400, abs=60)
    assert capsys.readouterr().out.count("place_data_old") == 1
    young = _watch(Places(path), ManualClock(now_ms + 89 * _DAY_MS))
    await young.follow()
    assert young.old == []


async def test_without_places_there_is_nothing_to_be_old() -> None:
    """No data, no age."""
    watch = _watch(Places(), ManualClock())

    await watch.follow()

    assert watch.old == []


async def test_a_running_worker_uses_new_data_and_warns_of_old_ones(store_url: str, tmp_path: Path) -> None:
    """`latchstring geo update` under it: the next answers tell by the new file, and readiness of its age."""
    old = tmp_path / "old"
    old.write_text(STATISTICS.replace("|20261124|+0000", "|20200101|+0000"))
    async with running_worker(settings_for(store_url, tmp_path, tell_country=True)) as worker:
        jar = await worker.signed_in()
        before = await worker.verify(jar, x_forwarded_for="198.18.0.1")
        update("countries", str(old), tmp_path / "places", SystemClock())
        await worker.rooms.place_watch.follow()
        after = await worker.verify(jar, x_forwarded_for="198.18.0.1")
        ready = await worker.client.get("/health/ready")

    assert (before.headers["x-latch-country"], after.headers["x-latch-country"]) == ("", "SE")
    assert (ready.status_code, ready.json()["ready"], ready.json()["warnings"]) == (200, True, ["old_countries"])
