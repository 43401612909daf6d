"""A group is answered once, whoever listens."""

from latchstring_gateway.beacons.group import Group


def test_group_tells_each_listener_once() -> None:
    """A second answer, say after giving up, reaches nobody."""
    heard: list[bool] = []
    group = Group(0, [b"a", b"b"], [heard.append, heard.append])

    group.answer(kept=True)
    group.answer(kept=False)

    assert heard == [True, True]
