"""Signals become tags, and tags agree or do not, each for as long as it is worth something."""

import pytest

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.fingerprint.signals import (
    FIELD,
    NOT_OBSERVED,
    SIGNALS,
    Observed,
    agreement,
    fields_of,
    tag,
)
from latchstring_gateway.tokens.hardware import tags
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing

_DAY_MS = 86_400_000
_NOW_MS = 1_800_000_000_000
_LAPTOP = Observed(kind="computer", system="Linux", client="Firefox", language="nl", network="203.0.113.0/24")


def _ring(*numbers: int) -> KeyRing:
    keys = [RingKey(f"tEst0{n}", KeyState.ACTIVE, n, 0, bytes([n] * 32)) for n in numbers]
    return KeyRing.from_json(dump(keys), ManualClock())


def _kept(observed: Observed, ring: KeyRing, *, at_ms: int = _NOW_MS) -> dict[str, str]:
    """A device's row."""
    fields = fields_of(ring.signing_key(), "ada", observed, now_ms=at_ms)
    return {**fields, "hardware": observed.hardware, "name": "Firefox on Linux"}


def test_every_signal_has_a_worth_and_only_they_have() -> None:
    """What is observed is what is weighed."""
    assert set(Observed._fields) == set(SIGNALS)


def test_nothing_is_kept_in_clear_and_what_is_not_known_is_not_kept() -> None:
    """A tag for each signal, under the key that signs."""
    row = fields_of(_ring(1).signing_key(), "ada", _LAPTOP, now_ms=_NOW_MS)

    assert set(row) == {FIELD + name for name in ("kind", "system", "client", "language", "network")}
    assert all(text.startswith("tEst01.") and text.endswith(f".{_NOW_MS // _DAY_MS}") for text in row.values())
    assert not any(value in str(row.values()) for value in ("computer", "Linux", "Firefox", "203.0.113"))
    assert fields_of(_ring(1).signing_key(), "ada", NOT_OBSERVED, now_ms=_NOW_MS) == {}


def test_a_tag_is_of_one_key_account_signal_and_value() -> None:
    """So that the store's rows of two accounts, or two signals of one, cannot be compared."""
    one, two = _ring(1).signing_key(), _ring(2).signing_key()
    tags_made = [
        tag(one, "ada", "tls", "x"),
        tag(two, "ada", "tls", "x"),
        tag(one, "bob", "tls", "x"),
        tag(one, "ada", "hints", "x"),
        tag(one, "ada", "tls", "y"),
    ]

    assert len(set(tags_made)) == 5
    assert {len(made) for made in tags_made} == {8}


def test_what_both_have_agrees_or_differs_and_the_rest_says_nothing() -> None:
    """A signal that one of the two lacks is no difference."""
    ring = _ring(1)
    now = _LAPTOP._replace(language="en", client="", tls="t13d1516h2_8daaf6152771_e5627efa2ab1")

    agreed = agreement(ring, "ada", now, _kept(_LAPTOP, ring), now_ms=_NOW_MS)

    assert agreed == {"kind": True, "system": True, "language": False, "network": True}


@pytest.mark.parametrize(("name", "days"), [("network", 30), ("tls", 60), ("hints", 90), ("language", 180)])
def test_a_signal_is_worth_something_for_its_time(name: str, days: int) -> None:
    """A network of last year tells nothing of today's."""
    ring = _ring(1)
    observed = Observed(**{name: "x"})
    row = _kept(observed, ring)

    assert agreement(ring, "ada", observed, row, now_ms=_NOW_MS + (days - 1) * _DAY_MS) == {name: True}
    assert agreement(ring, "ada", observed, row, now_ms=_NOW_MS + days * _DAY_MS) == {}


def test_keys_rotate_and_what_was_kept_is_compared_under_its_own() -> None:
    """For as long as its key is in the file; without it, it says nothing."""
    row = _kept(_LAPTOP, _ring(1))

    assert set(agreement(_ring(1, 2), "ada", _LAPTOP, row, now_ms=_NOW_MS).values()) == {True}
    assert agreement(_ring(2), "ada", _LAPTOP, row, now_ms=_NOW_MS) == {}


def test_hardware_is_compared_under_any_key_that_both_have() -> None:
    """It comes hashed already, under two keys, so that rotations between two sign-ins do not part them."""
    first = Observed(hardware=tags(_ring(1), "app", "AC-55-0017"))
    row = _kept(first, _ring(1))
    for ring in (_ring(1, 2), _ring(1, 2, 3, 4, 5)):
        same, other = (Observed(hardware=tags(ring, "app", text)) for text in ("ac550017", "AC-55-0018"))
        assert agreement(ring, "ada", same, row, now_ms=_NOW_MS) == {"hardware": True}
        assert agreement(ring, "ada", other, row, now_ms=_NOW_MS) == {"hardware": False}
        assert len(same.hardware) <= 64
    later = Observed(hardware=tags(_ring(2, 3), "app", "AC-55-0017"))
    assert agreement(_ring(2, 3), "ada", later, row, now_ms=_NOW_MS) == {}
    assert tags(_ring(1, 2), "app", "unknown") == ""
