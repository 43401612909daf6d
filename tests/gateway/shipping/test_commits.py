"""Commit records: read back as written, in order, and only whole ones."""

from pathlib import Path

from latchstring_gateway.shipping.commits import Commit, Commits, Count, FileEntry, Run


def _commit(segment: str, at_ms: int) -> Commit:
    return Commit(
        segment=segment,
        committed_at_ms=at_ms,
        parser=1,
        records=3,
        events=[FileEntry("events/dt=2027-01-15/hour=08/x.parquet", 2)],
        dead_letters=FileEntry("dead-letters/dt=2027-01-15/x.jsonl", 1),
        counts=[Count("pixel", "2027-01-15T08", received=3, good=2, bad=1)],
        runs=[Run("00", 0, 2)],
        damaged=[(5, 9)],
        torn_bytes=7,
        finished=False,
        rebooted=True,
        last_received_at_ms=None,
    )


def test_commits_come_back_oldest_first(tmp_path: Path) -> None:
    """A record is one file, told by the segment's id."""
    commits = Commits(tmp_path)
    assert (commits.all(), commits.ids(), commits.has("a")) == ([], set(), False)

    commits.add(_commit("a", 2))
    commits.add(_commit("b", 1))

    assert commits.all() == [_commit("b", 1), _commit("a", 2)]
    assert commits.ids() == {"a", "b"}
    assert commits.has("a")


def test_half_written_record_is_none(tmp_path: Path) -> None:
    """A crash before the rename commits nothing."""
    commits = Commits(tmp_path)
    commits.add(_commit("a", 2))
    (tmp_path / "commits" / "b.json.part").write_bytes(b'{"version":1,"seg')

    assert commits.ids() == {"a"}
