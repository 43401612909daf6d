"""P2 by exhaustive search: how many replicas must confirm so that no fail-over loses what was confirmed."""

import pytest

from harness.evidence import Evidence, breaks, pick
from harness.explorer import Explored, explore
from harness.replicas_model import ReplicasModel

pytestmark = pytest.mark.store


def _search(model: ReplicasModel) -> Explored:
    return explore({"all is well": model.start()}, model.successors, model.is_bad)


def test_what_is_confirmed_survives_every_fail_over(evidence: Evidence) -> None:
    """Every order of writes, deliveries, confirmations and fail-overs; all of one, two or three replicas confirm."""
    states = violations = 0
    for replicas in pick(short=(1, 2, 3), long=(1, 2, 3, 4)):
        confirm = 1 if breaks("one-replica-confirms") else replicas
        found = _search(ReplicasModel(replicas, confirm, fail_overs=pick(short=2, long=3)))
        states += found.states
        for step in found.counter_example or ():
            print(step)
        violations += found.counter_example is not None
    evidence.row(
        promise="P2",
        tried="every state of a model of replicas: all of them confirm, any of them is promoted",
        trials=states,
        violations=violations,
    )


@pytest.mark.parametrize(("replicas", "confirm"), [(2, 1), (3, 1), (3, 2)])
def test_with_fewer_a_fail_over_loses_it(replicas: int, confirm: int) -> None:
    """The replica that was not promoted had it, and throws it away; the document tells this story."""
    found = _search(ReplicasModel(replicas, confirm)).counter_example

    assert found is not None
    assert found[-1].endswith("is promoted") or found[-1] == "the write is confirmed"


def test_a_coordinated_fail_over_loses_nothing_however_few_confirm() -> None:
    """Valkey 9: the primary stops, and the replica that takes over has everything."""
    found = _search(ReplicasModel(2, 1, coordinated=True))

    assert found.counter_example is None
    assert found.states > 50
