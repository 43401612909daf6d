"""A group is answered once, whoever listens."""

from collections import Counter

from latchstring_gateway.beacons.group import Group, Outcome


def test_group_tells_each_listener_once() -> None:
    """A second answer, say after giving up, reaches nobody."""
    heard: list[bool] = []
    group = Group(0, [b"a", b"b"], [heard.append, heard.append])

    counts: Counter[Outcome] = Counter()
    group.answer("kept", counts)
    group.answer("sync_late", counts)

    assert heard == [True, True]
    assert counts == {"kept": 2, "sync_late": 0}
