"""The requests to erase: kept as hashes, read when they change, and for how long they hold."""

from pathlib import Path

import msgspec

from harness.hits import NOW_MS
from harness.people import PSEUDONYMS
from latchstring_gateway.shipping.erasures import ECHO_MS, Erased, Erasure, Erasures, subjects

_ADA = PSEUDONYMS.of("user", b"ada")


def _asked(name: str, at_ms: int = NOW_MS) -> Erasure:
    return Erasure(id=name, requested_at_ms=at_ms, subjects=subjects(PSEUDONYMS, users=["ada"]))


def test_what_is_complete_is_under_way_no_more_until_it_begins_again(tmp_path: Path) -> None:
    """Also where another process has begun it again."""
    erasures, others = Erasures(tmp_path), Erasures(tmp_path)
    first, second = _asked("first"), _asked("second", NOW_MS + 1)
    for one in (second, first):
        erasures.write(one)
    assert erasures.under_way() == [first, second]

    erasures.write(msgspec.structs.replace(first, state="complete", completed_at_ms=NOW_MS + 5))
    assert erasures.under_way() == erasures.under_way() == [second]
    others.begin_again()

    assert [one.id for one in erasures.under_way()] == ["first", "second"]
    assert {one.state for one in erasures.all()} == {"waiting"}


def test_they_are_kept_as_long_as_what_they_hold_for(tmp_path: Path) -> None:
    """Never dropped while under way, nor before what is sent again is over."""
    erasures = Erasures(tmp_path)
    erasures.write(_asked("under way"))
    erasures.write(msgspec.structs.replace(_asked("done"), state="complete", completed_at_ms=NOW_MS + 5))

    erasures.forget(NOW_MS + ECHO_MS)
    assert sorted(erasures.ids()) == ["done", "under way"]
    erasures.forget(NOW_MS + ECHO_MS + 1)
    assert erasures.ids() == ["under way"]


def test_a_shipper_hears_of_what_is_asked_later(tmp_path: Path) -> None:
    """Of one kind only, and for what is received before its time is over; the latest request counts."""
    erasures = Erasures(tmp_path)
    erased = Erased(erasures)
    erased.follow()
    assert not erased

    erasures.write(_asked("first"))
    erasures.write(_asked("second", NOW_MS + 1_000))
    erased.follow()

    assert erased
    until_ms = NOW_MS + 1_000 + ECHO_MS
    assert [erased.has("user", _ADA, at_ms) for at_ms in (0, until_ms - 1, until_ms)] == [True, True, False]
    assert not erased.has("tracker", _ADA, 0)
    assert not erased.has("user", None, 0)
