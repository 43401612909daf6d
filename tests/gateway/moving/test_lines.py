"""Lines of an import: checked in full, and told why not without repeating what they say."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.importing import FIREFOX, device_line, session_line
from harness.worker_app import now_ms
from latchstring_gateway.ids import new_id
from latchstring_gateway.moving.lines import BadLine, Described, DeviceLine, Judge, Kind, Row, SessionLine, decode
from latchstring_gateway.moving.references import References
from latchstring_gateway.moving.vouching import Vouched
from latchstring_gateway.sessions.policy import SessionPolicy

_JUDGE = Judge(References(b"s" * 32), SessionPolicy())
_DAY_MS = 86_400_000


def _row(kind: Kind, line: dict[str, Any] | bytes) -> Row:
    raw = line if isinstance(line, bytes) else msgspec.json.encode(line)
    return _JUDGE.row(decode(kind, raw), now_ms())


def test_a_device_line_becomes_a_row_of_the_devices_page() -> None:
    """Described by its agent, placed by its address's network, named as its owner named it."""
    row = _row("devices", device_line(name="  Kitchen tablet "))

    assert (row.name, row.named_by_owner) == ("Kitchen tablet", "1")
    assert (row.kind, row.os, row.client, row.place) == ("computer", "Linux", "Firefox", "203.0.113.0/24")
    assert row.first_ms < row.last_ms
    assert row.session == ""


def test_what_a_line_says_itself_wins_over_the_agent() -> None:
    """And a device that nobody named is called what a sign-in would call it."""
    told = {"kind": "tv", "model": "Bravia", "os": "Android", "client": "Lantern", "place": "2001:db8:1::/48"}
    row = _row("devices", device_line(**told))

    assert (row.kind, row.model, row.os, row.client, row.place) == tuple(told.values())
    assert (row.name, row.named_by_owner) == ("Bravia", "0")
    assert _row("devices", device_line(user_agent="")).name == "Unknown device"


def test_a_session_line_needs_only_account_name_and_time_of_the_password() -> None:
    """Begun then, last seen then; on a device of its own unless one is named."""
    checked = now_ms() - 60_000
    row = _row("sessions", {"account": "ada", "session": "s1", "authenticated_at_ms": checked})
    named = _row("sessions", session_line(device="d1"))

    assert (row.first_ms, row.last_ms, row.authenticated_ms) == (checked, checked, checked)
    assert (row.remembered, row.method) == ("0", "password")
    assert row.device != named.device == _row("devices", device_line()).device
    assert row.session == _row("sessions", session_line()).session


def test_our_own_ids_stay_what_they_are() -> None:
    """As an export names them."""
    session, device = new_id(), new_id()
    row = _row("sessions", session_line(session=f"latchstring:{session}", device=f"latchstring:{device}"))

    assert (row.session, row.device) == (session, device)


_LONG = "x" * 70_000
_BAD: list[tuple[Kind, Any, str]] = [
    ("sessions", b"", "expected a JSON object"),
    ("sessions", b"{", "expected a JSON object"),
    ("sessions", b"\xff\xfe", "expected a JSON object"),
    ("sessions", b"[]", "Expected `object`"),
    ("sessions", b"null", "Expected `object`"),
    ("sessions", {}, "missing required field `account`"),
    ("sessions", device_line(), "unknown field"),
    ("sessions", session_line(account="a b"), "account"),
    ("sessions", session_line(account=""), "$.account"),
    ("sessions", session_line(account="\u00e4" * 200), "`account`: expected 1 to 255 bytes"),
    ("sessions", session_line(account="ada\n"), "$.account"),
    ("sessions", session_line(session=""), "$.session"),
    ("sessions", session_line(session="s" * 513), "$.session"),
    ("sessions", session_line(session="latchstring:short"), "`session`: expected an id"),
    ("sessions", session_line(device="latchstring:" + "A" * 21 + "B"), "`device`: expected an id"),
    ("sessions", session_line(authenticated_at_ms="soon"), "$.authenticated_at_ms"),
    ("sessions", session_line(authenticated_at_ms=-1), "$.authenticated_at_ms"),
    ("sessions", session_line(authenticated_at_ms=2**53), "$.authenticated_at_ms"),
    ("sessions", session_line(authenticated_at_ms=now_ms() + 600_000), "`authenticated_at_ms` to be no later"),
    ("sessions", session_line(last_seen_ms=now_ms() + 600_000), "`last_seen_ms` lies in the future"),
    ("sessions", session_line(created_at_ms=now_ms()), "`created_at_ms` to be no later"),
    ("sessions", session_line(remember="yes"), "$.remember"),
    ("sessions", session_line(method="Pass word"), "$.method"),
    ("sessions", session_line(remember=False, authenticated_at_ms=now_ms() - _DAY_MS), "is over"),
    ("sessions", session_line(remember=False, last_seen_ms=now_ms() - 3_000_000), "is over"),
    ("sessions", session_line(authenticated_at_ms=1, last_seen_ms=now_ms() - 31 * _DAY_MS), "is over"),
    ("sessions", session_line(user_agent=_LONG), "expected at most"),
    ("devices", session_line(), "unknown field"),
    ("devices", device_line(first_seen_ms=now_ms()), "`first_seen_ms` to be no later"),
    ("devices", device_line(last_seen_ms=now_ms() + 600_000), "future"),
    ("devices", device_line(name="\x00"), "`name`"),
    ("devices", device_line(name="n" * 61), "`name`"),
    ("devices", device_line(name="   "), "`name`"),
    ("devices", device_line(kind="toaster"), "$.kind"),
    ("devices", device_line(model="a\nb"), "$.model"),
    ("devices", device_line(place="203.0.113.9"), "`place`"),
    ("devices", device_line(place="203.0.113.9/24"), "`place`"),
    ("devices", device_line(place="203.0.113.0/25"), "`place`"),
    ("devices", device_line(place="here/24"), "`place`"),
    ("devices", {**device_line(), "x" * 5_000: 1}, "unknown field"),
]


@pytest.mark.parametrize(("kind", "line", "reason"), _BAD, ids=range(len(_BAD)))
def test_a_line_that_cannot_be_used_says_why(kind: Kind, line: dict[str, Any] | bytes, reason: str) -> None:
    """In one short sentence."""
    with pytest.raises(BadLine) as bad:
        _row(kind, line)

    assert reason in str(bad.value)
    assert len(str(bad.value)) <= 200


@pytest.mark.parametrize("field", ["session", "device", "user_agent", "address", "method", "account"])
def test_a_reason_repeats_nothing_of_the_line(field: str) -> None:
    """It lands in a file that is read by people."""
    with pytest.raises(BadLine) as bad:
        _row("sessions", session_line(**{field: "topsecret\x00 " * 500}))

    assert "topsecret" not in str(bad.value)


def test_an_address_that_is_none_is_no_reason_to_lose_a_device() -> None:
    """It is placed nowhere; agents may be junk as well."""
    row = _row("devices", device_line(address="unknown", user_agent="\x00" + FIREFOX))

    assert row.place == ""


def test_the_document_tells_of_every_field_and_of_no_other() -> None:
    """The tables of docs/moving-in.md are the structs."""
    text = (Path(__file__).parents[3] / "docs" / "moving-in.md").read_text()
    tables = [table for table in text.split("\n\n") if table.startswith("| field |")]
    told = [re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in table.splitlines())) for table in tables]

    described = set(Described.__struct_fields__)
    assert [set(fields) for fields in told] == [
        set(Vouched.__struct_fields__),
        described,
        set(DeviceLine.__struct_fields__) - described,
        set(SessionLine.__struct_fields__) - described,
    ]
