"""The index brought up to what is committed: after a crash, a deletion, or when warehouses were put together."""

from pathlib import Path

from ..clock import Clock
from .adjustments import Adjustments
from .catalogue import Catalogue, read_catalogue
from .claim import segments_in
from .commits import Commit
from .duplicates import claims_of, settle, still_counted
from .seen import Seen


def restore(seen: Seen, warehouse: Path, journal: Path, clock: Clock) -> int:
    """Take in every committed segment that is missing; gives the number of records that were read for it.

    Where two of them have counted the same, the later one is adjusted. Claims of segments that are neither committed
    nor in the journal are freed: whoever made them is gone for good.
    """
    waiting = {path.name.partition(".")[0] for path in segments_in(journal)}
    # Read in this order: a segment leaves the journal after its commit, so one that is in neither is nowhere.
    catalogue = read_catalogue(warehouse)
    committed = {segment for commit in catalogue.commits for segment in (commit.segment, *commit.folded)}
    with seen.transaction():
        for segment, number in seen.segments(committed=False).items():
            if segment not in waiting and segment not in committed:
                seen.give_up(number)
    known = seen.segments(committed=True).keys()
    missing = [commit for commit in catalogue.commits if not {commit.segment, *commit.folded} <= known]
    for commit in missing:
        if _take_in(seen, catalogue, commit, clock):
            # What was adjusted must not be adjusted again.
            catalogue = read_catalogue(warehouse)
    return len(missing)


def _take_in(seen: Seen, catalogue: Catalogue, commit: Commit, clock: Clock) -> bool:
    """Claim for a commit what it has counted; True if something was adjusted."""
    claims = claims_of(list(still_counted(commit, catalogue)))
    number = seen.number(commit.segment)
    with seen.transaction():
        verdicts = seen.claim(number, claims)
        lost = [claims[at] for at, verdict in verdicts.items() if verdict == "duplicate"]
        adjustments = settle(seen, catalogue, commit, lost, now_ms=clock.wall_ms())
        for adjustment in adjustments:
            Adjustments(catalogue.warehouse).add(adjustment)
    seen.committed(number, commit.runs, also=commit.folded)
    return bool(adjustments)
