"""What waits for a sync is kept to be written again, and no more of it than there is need for."""

from collections import Counter

from latchstring_gateway.beacons.group import Group, Outcome
from latchstring_gateway.beacons.unsynced import MOST_BYTES, Unsynced


def _group(number: int, answers: list[bool], *, at_ns: int = 0, payload: bytes = b"hit", waits: bool = True) -> Group:
    return Group(number, [payload], [answers.append] if waits else [], at_ns)


def test_confirmed_groups_are_answered_and_need_no_room() -> None:
    """Oldest first."""
    outcomes, answers = Counter[Outcome](), list[bool]()
    unsynced = Unsynced()
    for number in range(3):
        unsynced.add(_group(number, answers))

    unsynced.confirm(2, outcomes)

    assert (answers, len(unsynced), unsynced.records) == ([True, True], 1, 1)
    unsynced.confirm(1, outcomes)
    assert unsynced.size_bytes == 0
    assert outcomes == {"kept": 3}


def test_whoever_is_refused_is_not_written_again_and_keeps_his_place() -> None:
    """A sync that is under way counts by places; the bytes of refused hits grew for as long as it hung."""
    outcomes, answers = Counter[Outcome](), list[bool]()
    unsynced = Unsynced()
    unsynced.add(_group(1, answers, waits=False))
    unsynced.add(_group(2, answers, at_ns=5))
    unsynced.add(_group(3, answers, at_ns=9))

    unsynced.refuse_older(5, outcomes)

    assert unsynced.is_late
    assert (answers, len(unsynced)) == ([False], 3)
    assert [number for number, _ in unsynced.to_write_again()] == [1, 3]
    assert unsynced.has_waiting
    unsynced.refuse_waiting(outcomes)
    unsynced.confirm(1, outcomes)
    assert not unsynced.is_late
    assert len(unsynced) == 0
    assert (outcomes["sync_late"], outcomes["sync_failed"]) == (1, 1)


def test_it_is_late_at_its_bound() -> None:
    """Small payloads count with what the interpreter takes for each."""
    unsynced = Unsynced()
    unsynced.add(_group(1, [], payload=bytes(MOST_BYTES // 2)))
    assert not unsynced.is_late

    unsynced.add(_group(2, [], payload=bytes(MOST_BYTES // 2)))

    assert unsynced.is_late
