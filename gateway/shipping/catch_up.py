"""What a shipper tells the index at its start: which segments are committed, and which are nowhere.

An index that was lost, or is older than the warehouse, lets no segment be shipped again after this, and no record be
counted twice. What the events of those segments were is taken in meanwhile (housekeeping/index_rebuild.py): a retry of
one of them that is shipped before becomes a duplicate then.
"""

from pathlib import Path

from .claim import segments_in
from .commits import Commits
from .seen import KEEP_MS, Seen


def catch_up(seen: Seen, commits: Commits, journal: Path, *, now_ms: int) -> None:
    """Tell the index. Reads one commit record at a time."""
    # Read in this order: a segment is in the journal before it claims anything, and leaves it after its commit. So one
    # that had claims and is in neither is nowhere: whoever made them is gone, and so are they.
    nowhere = seen.open_segments()
    for path in segments_in(journal):
        nowhere.pop(path.name.partition(".")[0], None)
    for segment in commits.ids():
        nowhere.pop(segment, None)
    for commit in commits.each():
        for segment in (commit.segment, *(commit.folded if nowhere else ())):
            nowhere.pop(segment, None)
        if commit.committed_at_ms >= now_ms - KEEP_MS and not seen.is_committed(commit.segment):
            seen.know([commit.segment, *commit.folded], commit.runs)
    # Of a record that cannot be read nobody knows whose place it has taken: better a claim that is kept for nothing.
    if nowhere and not commits.unreadable:
        with seen.transaction():
            still = seen.open_segments()
            for segment, number in nowhere.items():
                if still.get(segment) == number:
                    seen.give_up(number)
