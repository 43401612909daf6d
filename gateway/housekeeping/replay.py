"""Dead letters judged again by the present parser: those that are events by now leave `bad`, each once.

So many letters of a commit at a time get one adjustment record with rows of its own. Either all of it has happened or
nothing: the adjustment is durable before the index says that its events were counted, and the index is brought up to it
after a crash. What is still refused stays as it is.
"""

import base64
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from latchstring_middleware.forwarded import TrustedProxies

from ..beacons import payload
from ..clock import Clock
from ..ids import new_id
from ..shipping.adjustments import Adjustment, Adjustments, Unit
from ..shipping.catalogue import Catalogue, Records
from ..shipping.commits import Commit, Count, added_up
from ..shipping.dead_letters import DeadLetter
from ..shipping.decode import units
from ..shipping.enrich import Senders
from ..shipping.event import Event
from ..shipping.judge import Judge
from ..shipping.keeping import Policies, Policy, nobody
from ..shipping.locks import KEEPER, locked
from ..shipping.opened import Opened, wishes
from ..shipping.seen import Seen
from ..shipping.tally import hour_of
from .index_rebuild import IndexRebuild, in_pieces

#: So many become one adjustment; shippers wait for the time that takes, a few tenths of a second.
LETTERS_AT_A_TIME: Final = 2_000


@dataclass(slots=True)
class Replayed:
    """What became of dead letters that were judged again; all but `letters` count events."""

    letters: int = 0
    good: int = 0
    duplicate: int = 0
    excluded: int = 0
    still_bad: int = 0


def replay(
    warehouse: Path,
    journal: Path,
    clock: Clock,
    *,
    reasons: Collection[str] = (),
    policies: Policies = nobody,
    patience_seconds: float = 1.0,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Replayed:
    """Judge dead letters again, of certain reasons or all; safe to repeat, and while shippers work.

    `progress` hears how many of how many letters are done. Raises LockedError if another process is at work on the
    warehouse for longer than `patience_seconds`, OSError or sqlite3.Error if the warehouse cannot take it; what was
    done by then is done.
    """
    result = Replayed()
    with locked(warehouse / KEEPER, patience_seconds=patience_seconds):
        seen, records = Seen(warehouse), Records(warehouse)
        try:
            rebuild = IndexRebuild(warehouse, journal, clock, seen, records)
            while rebuild.step():
                pass
            catalogue = records.catalogue()
            total = sum(entry.rows for entry in catalogue.letter_files())
            done = 0
            for commit in catalogue.commits:
                letters = (one for one in catalogue.letters(commit) if not reasons or one.reason in reasons)
                after_ms = max((found.made_at_ms for found in catalogue.adjustments_of(commit)), default=0)
                for piece in in_pieces(letters, LETTERS_AT_A_TIME):
                    after_ms = max(clock.wall_ms(), after_ms + 1)
                    _replay_some(seen, catalogue, commit, piece, policies(), after_ms, result)
                done += sum(entry.rows for entry in catalogue.letters_of(commit))
                progress(done, total)
        finally:
            seen.close()
    return result


def _replay_some(
    seen: Seen,
    catalogue: Catalogue,
    commit: Commit,
    letters: list[DeadLetter],
    policy: Policy,
    made_at_ms: int,
    result: Replayed,
) -> None:
    senders = Senders(TrustedProxies([]))
    opened = [(letter, hit) for letter in letters if (hit := _open(letter, senders)) is not None]
    result.letters += len(letters)
    result.still_bad += len(letters) - len(opened)
    if not opened:
        return
    name, warehouse = new_id(), catalogue.warehouse
    with seen.transaction():
        judge = Judge(seen, policy, seen.number(name), claims_hits=False)
        hits = [hit for _, hit in opened]
        judge.place(hits, judge.claim(wishes(hits)))
        found = judge.found
        counts = found.tally.counts()
        # Each letter was one bad event; its hour and source may be known better by now.
        before = [Count(letter.source, hour_of(letter.received_at_ms), received=-1, bad=-1) for letter, _ in opened]
        changed = Counter(found.letters.reasons)
        changed.subtract(letter.reason for letter, _ in opened)
        Adjustments(warehouse).add(
            Adjustment(
                id=name,
                made_at_ms=made_at_ms,
                commit=commit.segment,
                why="replay",
                changes=added_up([*counts, *before]),
                exclusions=found.exclusions(),
                events=found.rows.write(warehouse, name),
                dead_letters=found.letters.write(warehouse, name),
                gone_letters=[Unit(letter.record_id, letter.unit) for letter, _ in opened],
                reasons=dict(changed),
            )
        )
        seen.mark_committed(name)
    result.good += sum(count.good for count in counts)
    result.duplicate += sum(count.duplicate for count in counts)
    result.excluded += sum(count.excluded for count in counts)
    result.still_bad += sum(count.bad for count in counts)


def _open(letter: DeadLetter, senders: Senders) -> Opened | None:
    """The hit of a letter, if at least one of its events can be read by now."""
    try:
        raw = payload.decode(base64.b64decode(letter.payload))
    except ValueError:
        return None
    found = units(raw)
    if not any(isinstance(unit, Event) for unit in found):
        return None
    sender, _ = senders.of(raw)
    # What the letter keeps of the address stands where the peer was; it makes nobody's pseudonym.
    sender = sender._replace(address_prefix=raw.peer, trace=b"")
    record_id = bytes.fromhex(letter.record_id)
    return Opened(
        record_id, letter.offset, raw.received_at_ms, found, raw, sender, letter.hit_id, first_unit=letter.unit
    )
