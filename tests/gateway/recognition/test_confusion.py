"""How well devices are recognised: on agents that nobody tuned the rules on, never worse than before."""

import pytest

from harness.confusion import Figures, Matrix, figures, is_right, matrix, published, report
from harness.detector_agents import LabelledAgent, half_of, labelled_agents

#: The last figures, of the reported half: they may only get better. docs/recognition.md says how they are measured.
_LAST = Figures(tvs=0.9158, tvs_and_consoles=0.9155, called_tvs=0.0034)


@pytest.fixture(scope="module")
def agents() -> list[LabelledAgent]:
    """All labelled agents that are installed."""
    return labelled_agents()


@pytest.fixture(scope="module")
def reported(agents: list[LabelledAgent]) -> Matrix:
    """What becomes of the half that is reported on."""
    return matrix(agents, "reported")


def test_there_are_enough_agents_to_say_anything(reported: Matrix) -> None:
    """A wheel that lost its fixtures would make every figure perfect."""
    labelled = {label: sum(n for (one, _), n in reported.items() if one == label) for label, _ in reported}

    assert labelled["tv"] > 1_500
    assert labelled["phone"] > 10_000
    assert labelled["tablet"] > 3_000


def test_tvs_and_consoles_are_recognised_at_once(reported: Matrix) -> None:
    """At least nine in ten, and at least as many as before."""
    told = figures(reported)

    assert told.tvs >= max(0.90, _LAST.tvs)
    assert told.tvs_and_consoles >= max(0.90, _LAST.tvs_and_consoles)


def test_phones_tablets_and_computers_are_hardly_ever_called_tvs(reported: Matrix) -> None:
    """At most one in two hundred, and no more than before."""
    assert figures(reported).called_tvs <= min(0.005, _LAST.called_tvs)


def test_the_document_says_what_the_code_does(agents: list[LabelledAgent]) -> None:
    """`python -m harness.confusion --publish` was run after the last change of the rules."""
    assert report(agents) in published()


def test_an_agent_is_in_the_half_that_its_own_hash_says() -> None:
    """SHA-256 of "a" ends in bb, of "b" in 9d, of "d" in a4."""
    assert [half_of(agent) for agent in "abd"] == ["reported", "reported", "tuned"]


def test_a_player_is_right_where_a_tv_was_labelled_and_nowhere_else() -> None:
    """The fixtures have one word for three of our kinds."""
    assert is_right("tv", "stick")
    assert is_right("tv", "set_top")
    assert not is_right("tablet", "stick")
    assert not is_right("tv", "tablet")
