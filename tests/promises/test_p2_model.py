"""P2 by exhaustive search: the protocol of revocation holds in every state, and with any one mistake it does not."""

import importlib
from pathlib import Path

import pytest

import latchstring_gateway.revocation
from harness.evidence import Evidence, breaks, pick
from harness.explorer import explore
from harness.model_chapter import chapter, search, written
from harness.revocation_model import COMPLETE, MISTAKES, STEPS, Model, State

pytestmark = [pytest.mark.store, pytest.mark.timeout(pick(short=180, long=900))]

_ROOM = Path(latchstring_gateway.revocation.__file__).parent


def test_no_state_accepts_after_a_complete_receipt(evidence: Evidence) -> None:
    """Every order of steps, delays, cuts, crashes, strikes and fail-overs, up to the stated bounds."""
    mistake = next((name for name in MISTAKES if breaks(name)), None)
    fence_ticks, fail_overs = pick(short=(2, 1), long=(4, 2))

    found = search(Model(fence_ticks, fail_overs, mistake))

    for step in found.counter_example or ():
        print(step)
    evidence.row(
        promise="P2",
        tried=f"every state of the protocol's model, a fence of {fence_ticks} ticks, up to {fail_overs} fail-overs",
        trials=found.states,
        violations=found.counter_example is not None,
    )


def test_the_document_shows_a_counter_example_for_each_mistake() -> None:
    """Each rule is needed: docs/revocation.md shows what happens without it, as the search finds it.

    If this fails: `PYTHONPATH=tests .venv/bin/python -m harness.model_chapter`.
    """
    found = chapter()

    assert found == written()
    assert found.count("the receipt is complete\n```") == len(MISTAKES)


def test_the_search_leads_somewhere() -> None:
    """Every kind of step is taken, both starts are the same world, and receipts become complete in every way."""
    model = Model()
    never_taken = list(STEPS)
    started, follows = model.starts().values()
    complete: set[tuple[bool, bool]] = set()
    seen_follows = False

    def look(state: State) -> bool:
        nonlocal seen_follows, never_taken
        seen_follows |= state == follows
        if state.revoker == COMPLETE:
            complete.add((state.knows, state.fence > 0))
        never_taken = [one for one in never_taken if not list(one.take(model, state))]
        return False

    explore({"a worker starts": started}, model.successors, look)

    assert seen_follows
    assert never_taken == []
    # Acknowledged and trusting; acknowledged and asking; out of patience.
    assert complete == {(True, True), (True, False), (False, False)}


@pytest.mark.parametrize("name", sorted({name for one in STEPS for name in one.models} - {"world"}))
def test_the_model_names_code_that_exists(name: str) -> None:
    """A step is tied to the code that it models: rename or remove that, and the model must be looked at."""
    if name.endswith(".lua"):
        assert (_ROOM / name).is_file()
        return
    module, _, path = name.partition(":")
    found: object = importlib.import_module(f"latchstring_gateway.revocation.{module}")
    for part in path.split("."):
        found = getattr(found, part)
