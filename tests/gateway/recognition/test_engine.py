"""`user-agents` over the fast engine: the same judgement, without its price."""

import time
from collections.abc import Callable

import pytest
import user_agents

from harness.detector_agents import labelled_agents
from latchstring_gateway.recognition.describe import describe
from latchstring_gateway.recognition.engine import ParsedAgent


@pytest.fixture(scope="module")
def agents() -> list[str]:
    """Some hundreds of all kinds."""
    return [one.agent for one in labelled_agents()[::90]]


@pytest.mark.parametrize("judgement", ["is_bot", "is_tablet", "is_mobile", "is_pc"])
def test_the_package_judges_as_it_always_did(judgement: str, agents: list[str]) -> None:
    """On hundreds of agents; the engines themselves differ in a few in a thousand at most."""
    differing = [
        agent
        for agent in agents
        if getattr(ParsedAgent(agent), judgement) != getattr(user_agents.parse(agent), judgement)
    ]

    assert len(differing) <= len(agents) // 200


def test_the_families_are_those_of_the_package() -> None:
    """Browser, system and device by the same names."""
    agent = (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
    )
    ours, theirs = ParsedAgent(agent), user_agents.parse(agent)

    assert (ours.browser, ours.os, ours.device) == (theirs.browser, theirs.os, theirs.device)
    assert str(ours) == str(theirs)


def test_the_fast_engine_is_the_one_that_runs(agents: list[str]) -> None:
    """And rules, model and all cost little beside it: a third of the package's own way at most, where it is a tenth."""
    unseen = [f"{agent} {number}" for number, agent in enumerate(agents[:150])]
    describe("")
    user_agents.parse("")

    assert _cpu_seconds(describe, unseen) * 3 < _cpu_seconds(user_agents.parse, unseen)


def _cpu_seconds(parse: Callable[[str], object], agents: list[str]) -> float:
    began = time.process_time()
    for agent in agents:
        parse(agent)
    return time.process_time() - began
