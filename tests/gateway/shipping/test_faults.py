"""A mistake of ours about one event costs that event, never the shipper."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from harness.hits import NOW_MS, TRUSTED, batch, pixel, snowplow, write_segment
from latchstring_gateway.beacons.payload import BATCH, FORMAT, PIXEL, RawHit, encode
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.replay import replay
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping import own_wire, snowplow_event
from latchstring_gateway.shipping import snowplow as snowplow_wire
from latchstring_gateway.shipping.catalogue import read_catalogue
from latchstring_gateway.shipping.dead_letters import DeadLetter
from latchstring_gateway.shipping.decode import DECODERS
from latchstring_gateway.shipping.enrich import Sender
from latchstring_gateway.shipping.event import Event, Fault
from latchstring_gateway.shipping.faults import failed, fault_of
from latchstring_gateway.shipping.keeping import Kept, Policy, Ruling, kept_letter, nameless, nobody
from latchstring_gateway.shipping.run import Shipper

_ADDRESS = [(b"x-forwarded-for", b"203.0.113.77")]


def _ship(data_dir: Path, policy: Policy | None = None) -> list[DeadLetter]:
    policies = nobody if policy is None else lambda: policy
    with Shipper(data_dir, ManualClock(), TRUSTED, policies=policies) as shipper:
        shipper.ship_once()
    catalogue = read_catalogue(data_dir / "warehouse")
    assert ledger(data_dir).problems == []
    return [letter for commit in catalogue.commits for letter in catalogue.letters(commit)]


def _fails_at(page: bytes, then: Callable[..., Any]) -> Callable[..., Any]:
    def event(fields: Any, hit: RawHit, dropped: list[str]) -> Any:
        if page.decode() in str(fields):
            raise OverflowError("203.0.113.77 said something odd")
        return then(fields, hit, dropped)

    return event


def _counted(stage: str) -> float:
    return REGISTRY.get_sample_value("latchstring_decoder_failures_total", {"stage": stage}) or 0.0


@pytest.mark.parametrize("digits", [310, 5_000])
def test_a_number_of_hundreds_of_digits_stops_no_shipper(tmp_path: Path, digits: int) -> None:
    """Shipping stopped for good after one anonymous POST: `math.isfinite` raises OverflowError for a huge whole number,
    out of the decoder and the shipper's turn, at each try again.
    """
    rate = b"9" * digits
    write_segment(tmp_path, [batch(b'{"page":"/","playback_rate":%b}' % rate), batch(b'{"page":"/next"}')])

    letters = _ship(tmp_path)

    assert ledger(tmp_path).total.good >= 1
    assert all(letter.reason != "decoder_failed" for letter in letters)


def test_an_event_whose_decoder_fails_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its neighbours of the same body count; its own bytes are kept without address, and can be judged again."""
    monkeypatch.setattr(own_wire, "_event", _fails_at(b"/odd", own_wire._event))
    write_segment(tmp_path, [batch(b'[{"page":"/a"},{"page":"/odd"},{"page":"/b"}]', _ADDRESS), pixel(b"p=/odd")])
    before = _counted("decode")

    letters = _ship(tmp_path)

    assert [(letter.reason, letter.source, letter.unit) for letter in letters] == [
        ("decoder_failed", "batch", 1),
        ("decoder_failed", "pixel", 0),
    ]
    assert (ledger(tmp_path).total.good, ledger(tmp_path).total.bad) == (2, 2)
    assert _counted("decode") == before + 2
    monkeypatch.undo()
    assert replay(tmp_path / "warehouse", tmp_path / "journal", ManualClock()).good == 2
    assert (ledger(tmp_path).total.good, ledger(tmp_path).total.bad) == (4, 0)


def test_a_snowplow_event_whose_decoder_fails_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for a body of a Snowplow tracker."""
    monkeypatch.setattr(snowplow_wire, "event_of", _fails_at(b"/odd", snowplow_event.event_of))
    data = b",".join(b'{"e":"pv","url":"https://a.example/%b"}' % page for page in (b"a", b"odd", b"b"))
    body = b'{"schema":"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4","data":[%b]}' % data
    write_segment(tmp_path, [snowplow(b"/com.snowplowanalytics.snowplow/tp2", body)])

    letters = _ship(tmp_path)

    assert [(letter.reason, letter.unit) for letter in letters] == [("decoder_failed", 1)]
    monkeypatch.undo()
    assert replay(tmp_path / "warehouse", tmp_path / "journal", ManualClock()).good == 1
    assert ledger(tmp_path).total.good == 3


def test_a_hit_whose_sender_cannot_be_told_is_one_dead_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup that fails costs the hit, which keeps its request id: sent again, it is a duplicate, not a second."""

    def fails(*_of: object) -> Sender:
        raise KeyError("203.0.113.77")

    monkeypatch.setattr("latchstring_gateway.shipping.enrich.Senders._tell", fails)
    write_segment(tmp_path, [pixel(b"p=/a", _ADDRESS, hit_id=b"h1"), pixel(b"p=/a", _ADDRESS, hit_id=b"h1")])

    letters = _ship(tmp_path)

    assert [letter.reason for letter in letters] == ["decoder_failed"]
    assert ledger(tmp_path).total.duplicate == 1
    assert "203.0.113" not in (tmp_path / "warehouse").joinpath(_letter_path(tmp_path)).read_text()
    monkeypatch.undo()
    assert replay(tmp_path / "warehouse", tmp_path / "journal", ManualClock()).good == 1


def _letter_path(data_dir: Path) -> str:
    (entry,) = read_catalogue(data_dir / "warehouse").letter_files()
    return entry.path


def _fails_at_once(_hit: RawHit, _sender: Sender) -> Ruling:
    raise RuntimeError("consent")


def _fails_for_events(_hit: RawHit, _sender: Sender) -> Ruling:
    def fails(_event: Event) -> Kept:
        raise RuntimeError("consent")

    return Ruling(fails, kept_letter)


def _fails_for_letters(_hit: RawHit, _sender: Sender) -> Ruling:
    def fails(_refused: object) -> None:
        raise RuntimeError("erased?")

    return Ruling(nameless, fails)


@pytest.mark.parametrize(("policy", "bad"), [(_fails_at_once, 3), (_fails_for_events, 2), (_fails_for_letters, 1)])
def test_after_a_failure_of_consent_nothing_personal_is_kept(tmp_path: Path, policy: Policy, bad: int) -> None:
    """Nobody knows whether it may be kept, so the letter counts the event and holds nothing of it."""
    write_segment(
        tmp_path, [batch(b'[{"page":"/a","user":"ada"},{"page":"/ada"},{"ada":"no page"}]', _ADDRESS, at_ms=NOW_MS)]
    )
    before = _counted("policy")

    letters = _ship(tmp_path, policy)

    withheld = [letter for letter in letters if letter.reason == "decoder_failed"]
    assert len(withheld) == bad
    assert all((letter.payload, letter.hit_id) == ("", None) for letter in withheld)
    assert _counted("policy") == before + bad
    assert ledger(tmp_path).total.received == 3


@pytest.mark.parametrize(
    "oddity",
    [
        {"position_ms": 2**70},
        {"occurred_at": 2**70},
        {"media": "half \ud83d"},
        {"fingerprint": b"short"},
        {"type": None},
    ],
    ids=lambda oddity: next(iter(oddity)),
)
def test_a_row_that_fits_into_no_column_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oddity: dict[str, Any]
) -> None:
    """A whole piece of a segment is written at once; a value too large for its column took all of it along."""
    event = own_wire._event

    def odd(fields: Any, hit: RawHit, dropped: list[str]) -> Event:
        read = event(fields, hit, dropped)
        return read._replace(**oddity) if read.page == "/odd" else read

    monkeypatch.setattr(own_wire, "_event", odd)
    bodies = [batch(b'[{"page":"/a"},{"page":"/odd"},{"page":"/b"}]', _ADDRESS), *[batch(b'{"page":"/c"}')] * 40]
    write_segment(tmp_path, bodies)

    letters = _ship(tmp_path)

    assert [(letter.reason, letter.unit) for letter in letters] == [("decoder_failed", 1)]
    assert (ledger(tmp_path).total.good, ledger(tmp_path).total.bad) == (42, 1)
    monkeypatch.undo()
    assert replay(tmp_path / "warehouse", tmp_path / "journal", ManualClock()).good == 1


@pytest.mark.parametrize("at_ms", [-1, 2**63, 2**64 - 1])
def test_a_time_of_receipt_that_cannot_be_costs_only_its_record(tmp_path: Path, at_ms: int) -> None:
    """The index and the columns hold times of 63 bits; a record that names another time is no hit of ours."""
    record = encode((FORMAT, PIXEL, at_ms, "127.0.0.1", b"GET", b"/b.gif?p=/a", [(b"x-latch-hit", b"h")], b"", 0))
    write_segment(tmp_path, [record, pixel(b"p=/b")])

    letters = _ship(tmp_path)

    assert [letter.reason for letter in letters] == ["not_a_hit"]
    assert ledger(tmp_path).total.good == 1


def test_a_decoder_that_fails_for_a_whole_hit_costs_the_hit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it fails before it has told its events apart, as deep nesting once did."""

    def fails(_hit: RawHit) -> list[Any]:
        raise RecursionError

    monkeypatch.setitem(DECODERS, BATCH, fails)
    write_segment(tmp_path, [batch(b"[1,2,3]"), pixel(b"p=/a")])

    assert [(letter.reason, letter.unit) for letter in _ship(tmp_path)] == [("decoder_failed", 0)]


def test_a_fault_names_type_and_place_and_nothing_that_was_sent() -> None:
    """What an exception says may be a visitor's address."""
    try:
        int("203.0.113.77")
    except ValueError as error:
        fault = fault_of("decode", error)

    assert fault.error.startswith("ValueError at test_faults.py:")
    assert "203" not in fault.error


def test_a_lack_of_memory_is_no_fault_of_an_event() -> None:
    """It must not turn all traffic into dead letters."""
    with pytest.raises(MemoryError):
        failed("decode", MemoryError())
    with pytest.raises(OSError, match="full"):
        failed("policy", OSError("full"))
    assert failed("decode", KeyError()).fault == Fault("decode", "KeyError")
