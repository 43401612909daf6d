"""Erased events in ClickHouse: one deletion, asked for once, however long it takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from latchstring_gateway.shipping.clickhouse import ClickHouse, Deletion, SinkAwayError
from latchstring_gateway.shipping.deletions import SinkDeletions
from latchstring_gateway.shipping.seen import Seen


class SlowSink(ClickHouse):
    """A server whose deletions take as long as the test says."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1/latchstring")
        self.asked: list[str] = []
        self.done: set[str] = set()
        self.loses_answers = False

    def delete_gone(self, token: str) -> None:
        """See ClickHouse."""
        self.asked.append(token)
        if self.loses_answers:
            raise SinkAwayError("events: ReadTimeout")

    def deletion(self, token: str) -> Deletion | None:
        """See ClickHouse."""
        return Deletion(is_done=token in self.done, failure="") if token in self.asked else None


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Seen]:
    """An index."""
    found = Seen(tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("lost", [False, True])
def test_a_deletion_that_takes_hours_is_asked_for_once(tmp_path: Path, seen: Seen, *, lost: bool) -> None:
    """One that took longer than the client waits, 120 s, was sent again every five seconds for ever: each added another
    mutation to the server's list. Also over restarts, and when the answer to the first was lost.
    """
    sink = SlowSink()
    sink.loses_answers = lost
    for _ in range(50):
        deletions = SinkDeletions(tmp_path, seen, sink)
        try:
            assert deletions.advance(["b", "a"]) == 0
        except SinkAwayError:
            assert lost
        assert deletions.under_way() == {"a", "b"}
    assert len(sink.asked) == 1

    sink.done.update(sink.asked)
    assert SinkDeletions(tmp_path, seen, sink).advance(["a", "b"]) == 2
    assert seen.is_sent("a")
    assert SinkDeletions(tmp_path, seen, sink).advance([]) == 0


def test_what_is_erased_meanwhile_is_in_the_next_one(tmp_path: Path, seen: Seen) -> None:
    """However many come, the one under way is followed to its end."""
    sink = SlowSink()
    deletions = SinkDeletions(tmp_path, seen, sink)
    deletions.advance(["a"])
    for more in ("b", "c"):
        deletions.advance(["a", more])
    assert len(sink.asked) == 1
    sink.done.update(sink.asked)

    assert deletions.advance(["a", "b", "c"]) == 1
    assert deletions.advance(["b", "c"]) == 0
    assert deletions.under_way() == {"b", "c"}
    assert len(sink.asked) == 2
