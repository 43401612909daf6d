"""What a commit record need not say any more: which segments it was made of, and the numbers of their records.

Both are for copies that come late: a segment that is put back into the journal, a record that a journal wrote twice. A
week and a day after a commit no such copy is looked for, as no retry is, unless it is in the journal still. What is
left of a day is its sums: some 25 KB, where the names of 17,000 segments are half a megabyte.
"""

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from ..shipping.commits import Commit
from ..shipping.dead_letters import read_dead_letters
from ..shipping.seen import KEEP_MS
from ..shipping.tally import hour_of

_DAY_MS: Final = 86_400_000


def may_be_trimmed(commit: Commit, now_ms: int) -> bool:
    """Whether there is something in a record that may have become of no use; cheap."""
    return (commit.reasons is None and commit.dead_letters is not None) or (
        bool(commit.folded or commit.runs or commit.damaged) and _is_old(commit, now_ms)
    )


def trimmed(commit: Commit, warehouse: Path, now_ms: int, *, still_there: Collection[str]) -> Commit:
    """The record with nothing in it that no later event can refer to; it says the same of all that it counted.

    `still_there` are the ids of segments in the journal and of records that are not removed yet. The dead letters of
    one from before they were counted are read for it. Raises OSError, ValueError.
    """
    reasons = commit.reasons
    if reasons is None and commit.dead_letters is not None:
        reasons = dict(Counter(letter.reason for letter in read_dead_letters(warehouse / commit.dead_letters.path)))
    commit = msgspec.structs.replace(commit, reasons=reasons)
    if not _is_old(commit, now_ms):
        return commit
    return msgspec.structs.replace(
        commit,
        segments=commit.segment_count,
        folded=[folded for folded in commit.folded if folded in still_there],
        runs=[],
        damaged=[],
        damage=(commit.damaged_ranges, commit.damaged_bytes),
    )


def _is_old(commit: Commit, now_ms: int) -> bool:
    before_ms = now_ms - KEEP_MS - _DAY_MS
    return commit.committed_at_ms < before_ms and commit.last_hour < hour_of(before_ms)
