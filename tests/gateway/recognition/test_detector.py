"""The second look: what both recognisers say together, and on agents that were labelled by hand."""

from pathlib import Path
from typing import NamedTuple, get_args

import pytest

from harness.confusion import is_right
from latchstring_gateway.recognition.describe import Description, describe
from latchstring_gateway.recognition.detector import better, look_again
from latchstring_gateway.recognition.kinds import TELEVISION, Kind

_LABELLED = Path(__file__).parent / "labelled.tsv"


class _Labelled(NamedTuple):
    kind: Kind
    source: str
    agent: str


def _labelled() -> list[_Labelled]:
    rows = [line.split("\t") for line in _LABELLED.read_text().splitlines() if not line.startswith("#")]
    kinds = {kind: kind for kind in get_args(Kind)}
    return [_Labelled(kinds[kind], source, agent) for kind, source, agent in rows]


def test_there_are_enough_labels() -> None:
    """Three hundred at least, in both sources, of each agent one."""
    labelled = _labelled()

    assert len(labelled) >= 300
    assert {one.source for one in labelled} == {"uap-core", "own"}
    assert len({one.agent for one in labelled}) == len(labelled)


@pytest.mark.parametrize("source", ["uap-core", "own"])
def test_the_second_look_knows_tvs_and_consoles(source: str) -> None:
    """98% at least was asked for; the last figure was all of them, and it may only stay."""
    screens = [one for one in _labelled() if one.source == source and one.kind in TELEVISION | {"console"}]
    wrong = [one for one in screens if not _right(one, look_again(one.agent))]

    assert wrong == []


def test_the_first_look_knows_them_as_well() -> None:
    """Whoever has not installed the extra."""
    screens = [one for one in _labelled() if one.kind in TELEVISION | {"console"}]

    assert [one for one in screens if not _right(one, describe(one.agent))] == []


def test_hardly_anybody_else_is_taken_for_a_tv() -> None:
    """One of a hundred and fifty phones, tablets and computers, made to be mistaken, after the second look."""
    others = [one for one in _labelled() if one.kind in ("phone", "tablet", "computer")]
    called = [one.agent for one in others if look_again(one.agent).kind in TELEVISION]

    assert len(others) > 120
    assert len(called) <= 1


def _right(one: _Labelled, found: Description) -> bool:
    return is_right("tv" if one.kind in TELEVISION else one.kind, found.kind)


_BOX = Description("stick", "", "X96", "Android", "Chrome")


@pytest.mark.parametrize(
    ("quick", "found", "kind", "make"),
    [
        (_BOX, ("tv", "Amediatech", "X96 Mini"), "stick", "Amediatech X96 Mini"),
        (_BOX, ("tv", "Amediatech", ""), "stick", "Amediatech X96"),
        (_BOX, ("tablet", "", ""), "stick", "X96"),
        (_BOX, ("phone", "Sony", "X96"), "phone", "Sony X96"),
        (_BOX, (None, "", ""), "stick", "X96"),
        (Description("tablet", "", "ABC", "Android", "Chrome"), ("tv", "Abc", "32"), "tv", "Abc 32"),
        (Description("computer", "Apple", "Mac", "Mac OS X", "Safari"), ("computer", "", ""), "computer", "Apple Mac"),
    ],
)
def test_the_better_of_both_is_kept(
    quick: Description, found: tuple[Kind | None, str, str], kind: Kind, make: str
) -> None:
    """A maker that is known outweighs a form; a finer kind of ours outweighs a coarser one; software stays as it is."""
    told = better(quick, *found)

    assert (told.kind, told.make) == (kind, make)
    assert (told.os, told.client) == (quick.os, quick.client)


@pytest.mark.parametrize("agent", ["", "\x00\x01", "A" * 100_000, "(" * 5_000, "\ud800"])
def test_no_agent_is_too_strange(agent: str) -> None:
    """As for the first look."""
    assert look_again(agent).label


def test_a_maker_that_the_detector_does_not_know_is_none() -> None:
    """It calls the maker of a Tizen TV "Unknown", and so did the card."""
    tizen = "Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 76.0.3809.146/6.0 TV Safari/537.36"

    assert look_again(tizen).label == describe(tizen).label == "Samsung TV"
    assert better(describe(tizen), "tv", "Unknown", "").make == "Samsung TV"
