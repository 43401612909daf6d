"""The index brought up to what is committed: after a crash, a deletion, or when warehouses were put together."""

from pathlib import Path

from ..clock import Clock
from .adjustments import Adjustments
from .catalogue import Catalogue, read_catalogue
from .claim import segments_in
from .commits import Commit
from .duplicates import claims_of, counted, settle
from .seen import KEEP_MS, Seen
from .tally import hour_of


def restore(seen: Seen, warehouse: Path, journal: Path, clock: Clock) -> int:
    """Take in every committed segment that is missing; gives the number of records that were read for it.

    Where two of them have counted the same, the later one is adjusted. Claims of segments that are neither committed
    nor in the journal are freed: whoever made them is gone for good.
    """
    # Read in this order: a segment is in the journal before anything is claimed for it, and leaves it after its commit.
    # So what has claimed by now, and is in neither of the two that are read next, is nowhere.
    claiming = seen.segments(committed=False)
    waiting = {path.name.partition(".")[0] for path in segments_in(journal)}
    catalogue = read_catalogue(warehouse)
    committed = {segment for commit in catalogue.commits for segment in (commit.segment, *commit.folded)}
    with seen.transaction():
        for segment, number in seen.segments(committed=False).items():
            if claiming.get(segment) == number and segment not in waiting and segment not in committed:
                seen.give_up(number)
    done = 0
    for commit in catalogue.commits:
        if _is_missing(seen, catalogue, commit):
            done += 1
            if _take_in(seen, catalogue, commit, clock):
                # What was adjusted must not be adjusted again.
                catalogue = read_catalogue(warehouse)
    return done


def _is_missing(seen: Seen, catalogue: Catalogue, commit: Commit) -> bool:
    here = seen.is_committed(commit.segment) or (
        bool(commit.folded) and all(seen.is_committed(segment) for segment in commit.folded)
    )
    return not here or not all(
        seen.is_committed(found.id) for found in catalogue.adjustments_of(commit) if found.events
    )


def _take_in(seen: Seen, catalogue: Catalogue, commit: Commit, clock: Clock) -> bool:
    """Claim for a commit what it has counted within the window; True if something was adjusted."""
    since_day = hour_of(clock.wall_ms() - KEEP_MS)[:10]
    claims = claims_of(list(counted(commit, catalogue, since_day=since_day)))
    number = seen.number(commit.segment)
    with seen.transaction():
        verdicts = seen.claim(number, claims)
        lost = [claims[at] for at, verdict in verdicts.items() if verdict == "duplicate"]
        adjustments = settle(seen, catalogue, commit, lost, now_ms=clock.wall_ms())
        for adjustment in adjustments:
            Adjustments(catalogue.warehouse).add(adjustment)
    replayed = [found.id for found in catalogue.adjustments_of(commit) if found.events]
    seen.committed(number, commit.runs, also=[*commit.folded, *replayed])
    return bool(adjustments)
