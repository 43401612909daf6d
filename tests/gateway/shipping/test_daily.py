"""Pseudonyms of a day: the same within it, worthless after it."""

import json
import stat
from pathlib import Path

from harness.hits import NOW_MS
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.shipping.daily import FILE, GRACE_MS, Daily

#: From NOW_MS, 08:00, to the end of its day, in seconds.
_REST_OF_DAY = 16 * 3_600


def test_one_visitor_has_one_pseudonym_for_a_day(tmp_path: Path) -> None:
    """Also in another shipper of the node; another address, agent or day makes another."""
    clock = ManualClock()
    daily = Daily(tmp_path, clock)

    first = daily.of(NOW_MS, b"192.0.2.1\0Firefox")

    assert first is not None
    assert Daily(tmp_path, clock).of(NOW_MS + _REST_OF_DAY * 1_000 - 1, b"192.0.2.1\0Firefox") == first
    others = {daily.of(NOW_MS, b"192.0.2.1\0Chrome"), daily.of(NOW_MS + _REST_OF_DAY * 1_000, b"192.0.2.1\0Firefox")}
    assert None not in others
    assert first not in others


def test_a_salt_is_thrown_away_when_its_grace_is_over(tmp_path: Path) -> None:
    """Nothing on disk or in memory makes the same pseudonym again, and late hits get none."""
    clock = ManualClock()
    daily, other = Daily(tmp_path, clock), Daily(tmp_path, clock)
    daily.of(NOW_MS, b"trace")
    salt = json.loads((tmp_path / FILE).read_text())["2027-01-15"]
    clock.advance(_REST_OF_DAY + GRACE_MS / 1_000)

    for one in (daily, other):
        one.forget(clock.wall_ms())

    assert salt not in (tmp_path / FILE).read_text()
    assert [one.of(NOW_MS, b"trace") for one in (daily, other, Daily(tmp_path, clock))] == [None] * 3


def test_within_the_grace_late_hits_still_belong_together(tmp_path: Path) -> None:
    """What waited over midnight is the same visitor."""
    clock = ManualClock()
    daily = Daily(tmp_path, clock)
    first = daily.of(NOW_MS, b"trace")
    clock.advance(_REST_OF_DAY + GRACE_MS / 1_000 - 1)
    daily.forget(clock.wall_ms())

    assert daily.of(NOW_MS, b"trace") == first


def test_without_a_trace_or_on_a_day_that_cannot_be_there_is_none(tmp_path: Path) -> None:
    """A replayed hit has no address; a hit of next year comes from a broken clock and gets no salt."""
    daily = Daily(tmp_path, ManualClock())

    assert daily.of(NOW_MS, b"") is None
    assert daily.of(NOW_MS + 365 * 86_400_000, b"trace") is None


def test_salts_are_nobody_elses_to_read(tmp_path: Path) -> None:
    """Whoever reads them could find a visitor by trying addresses."""
    Daily(tmp_path, ManualClock()).of(NOW_MS, b"trace")

    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
