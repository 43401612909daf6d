"""Same, likely the same, or new: by what agrees, by what cannot, and by who is still in use."""

import pytest

from harness.households import SHARED_AFTER, measure
from latchstring_gateway.fingerprint import keep
from latchstring_gateway.fingerprint.likeness import SILENT_MS, Likeness, likenesses, told

_HARDWARE = frozenset(("hardware",))
_LAPTOP = {"kind": True, "system": True, "client": True, "tls": True, "language": True, "network": True}
_TV = {**_LAPTOP, "model": True, "hints": True}


def _verdict(agreement: dict[str, bool], kind: str = "computer", shared: frozenset[str] = frozenset()) -> str:
    found = likenesses({"former": agreement}, kind=kind, shared=shared)
    return found[0].verdict if found else "new"


@pytest.mark.parametrize(
    ("agreement", "kind", "verdict"),
    [
        ({"hardware": True, "kind": True}, "tv", "same"),
        ({"hardware": True, "network": False, "language": False, "tls": False}, "tv", "same"),
        ({"installation": True, "kind": True}, "phone", "same"),
        ({**_TV, "hardware": False}, "tv", "new"),
        ({**_TV, "hardware": False, "installation": True}, "tv", "new"),
        ({"hardware": True, "model": False}, "tv", "new"),
        ({"hardware": True, "kind": False}, "tv", "new"),
        (_TV, "tv", "new"),
        (_TV, "console", "new"),
        (_TV, "stick", "new"),
        (_TV, "set_top", "new"),
        (_LAPTOP, "computer", "likely_same"),
        ({**_LAPTOP, "installation": False}, "computer", "likely_same"),
        ({**_LAPTOP, "client": False}, "computer", "new"),
        ({**_LAPTOP, "system": False}, "computer", "new"),
        ({**_LAPTOP, "tls": False, "network": False}, "computer", "new"),
        ({"network": True, "language": True}, "computer", "new"),
        ({}, "computer", "new"),
    ],
)
def test_a_verdict_rests_on_what_agrees(agreement: dict[str, bool], kind: str, verdict: str) -> None:
    """An id of its own makes it the same; what lasts and differs makes it another; televisions need an id."""
    assert _verdict(agreement, kind) == verdict


def test_an_id_that_many_accounts_show_says_nothing_when_it_agrees() -> None:
    """Else every television of a product line would be the one before; two different ids are two devices still."""
    assert _verdict({**_TV, "hardware": True}, "tv", _HARDWARE) == "new"
    assert _verdict({**_LAPTOP, "hardware": True}, "computer", _HARDWARE) == "likely_same"
    assert _verdict({**_LAPTOP, "hardware": False}, "computer", _HARDWARE) == "new"


def test_the_reasons_are_told() -> None:
    """Which signals, of how many that could be compared."""
    (found,) = likenesses({"former": {**_LAPTOP, "tls": False, "hints": True}}, kind="computer")

    assert found.reason == "seen 6 of 7: kind, system, client, language, network, hints"
    assert found.as_dict() == {"device": "former", "verdict": "likely_same", "reason": found.reason}


def _like(device: str, verdict: str = "likely_same") -> Likeness:
    return Likeness(device, verdict, ("kind",), 1)  # type: ignore[arg-type]


def _told(found: list[Likeness], seen_ms: dict[str, int], *, used_ms: int = 0) -> str | None:
    """What a device is told to look like that came at 10 days and was used for so long."""
    came_ms = 10 * SILENT_MS
    likeness = told(found, seen_ms, first_seen_ms=came_ms, last_seen_ms=came_ms + used_ms)
    return None if likeness is None else likeness.device


def test_a_device_that_is_still_used_is_another() -> None:
    """Whatever it looks like; also with one id, which must then be two devices'."""
    for verdict in ("same", "likely_same"):
        assert _told([_like("a", verdict)], {"a": 10 * SILENT_MS + 1}, used_ms=30 * SILENT_MS) is None


def test_one_that_is_likely_the_same_must_have_been_silent_for_a_day() -> None:
    """Before the new one came, or since."""
    recently = {"a": 10 * SILENT_MS - 3_600_000}

    assert _told([_like("a")], recently) is None
    assert _told([_like("a")], recently, used_ms=SILENT_MS) == "a"
    assert _told([_like("a")], {"a": 9 * SILENT_MS}) == "a"
    assert _told([_like("a", "same")], recently) == "a"


def test_of_two_that_are_equally_likely_none_is_told() -> None:
    """Until one of them is used again; of one id under several names the latest is told."""
    both = [_like("a"), _like("b")]

    assert _told(both, {"a": 1, "b": 2}) is None
    assert _told(both, {"a": 1, "b": 11 * SILENT_MS}, used_ms=2 * SILENT_MS) == "a"
    assert _told([_like("a", "same"), _like("b", "same")], {"a": 1, "b": 2}) == "b"
    assert _told([_like("a"), _like("b", "same")], {"a": 2, "b": 1}) == "b"


def test_a_device_that_was_removed_is_not_told() -> None:
    """It is on the list no more."""
    assert _told([_like("gone", "same")], {}) is None


def test_in_generated_households_few_are_taken_for_others_and_no_televisions_merged() -> None:
    """The rates of docs/fingerprint.md, within bounds, on 400 households: another seed than the document's."""
    rates = measure(400, seed=77)

    assert rates.tried("new") > 1_000
    assert rates.tried("returns") > 1_000
    # Of one model behind one address, with an id of their own, none, or a new one at each start.
    for ids in ("own id", "no id", "id of each start"):
        assert rates.of("new", "same", f"television, {ids}") == 0
        assert rates.of("new", "likely_same", f"television, {ids}") == 0
    assert rates.of("returns", "same", "television, own id") > 0.99
    # The first 20 households that show a product line's id are all that can be wrong about it.
    assert rates.of("new", "same", "television, product line's id") * rates.tried("new", "television, product") < 20
    assert rates.of("new", "likely_same") < 0.01
    # At once, when nobody knows yet which of the others are in use.
    assert rates.of("new", "likely_same", later=False) < 0.04
    assert rates.of("new", "same", later=False) < 0.005
    assert rates.of("returns", "another device") < 0.01
    assert rates.of("returns", "likely_same", "phone") > 0.3
    assert SHARED_AFTER == keep.SHARED_AFTER
