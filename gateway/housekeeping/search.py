"""Whose rows and dead letters a commit holds: what erasures search for, all of them in one pass, piece by piece."""

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..beacons import payload
from ..ids import new_id
from ..shipping.adjustments import Adjustment, Unit
from ..shipping.commits import Commit, Count, Exclusion, added_up
from ..shipping.dead_letters import DeadLetter, read_dead_letters
from ..shipping.erasures import Erasure
from ..shipping.names_in import names_in, names_in_hit
from ..shipping.pseudonyms import Kind, Pseudonyms
from ..shipping.tally import hour_of
from ..shipping.unreadable import READ_ERRORS

#: Why they are excluded then.
REASON: Final = "erased"
#: Columns that hold a pseudonym, and of which kind it is.
_PSEUDONYMS: Final[dict[str, Kind]] = {
    "visitor": "cookie",
    "tracker_visitor": "tracker",
    "recipient": "recipient",
}
#: What a name in a dead letter may be besides the pseudonym of a recipient.
_KINDS_OF_WORDS: Final[tuple[Kind, ...]] = ("user", "tracker")
#: What reading a damaged file raises.
UNREADABLE: Final = (*READ_ERRORS, pa.ArrowException)
#: So many rows are in memory at a time: some 10 MB.
_ROWS_AT_A_TIME: Final = 65_536


class Found(NamedTuple):
    """A row or dead letter of somebody's, and for which erasure it is taken out."""

    erasure: str
    unit: Unit
    source: str
    hour: str
    #: Of a dead letter, why it is one; else empty.
    reason: str = ""


class Search:
    """Searches for the subjects of several erasures at once. What two of them want goes for the older one."""

    def __init__(self, erasures: Sequence[Erasure], pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._wanted: dict[Kind, dict[str, list[Erasure]]] = {kind: {} for kind in get_args(Kind)}
        for erasure in erasures:
            for subject in erasure.subjects:
                self._wanted[subject.kind].setdefault(subject.pseudonym, []).append(erasure)
        self._until_ms = max((erasure.until_ms for erasure in erasures), default=0)

    def rows(self, path: Path, hour: str) -> Iterator[Found | None]:
        """The rows of a Parquet file, of that hour, that are theirs; None after each piece of it that was read.

        Raises one of UNREADABLE if it cannot be read.
        """
        with pq.ParquetFile(path) as file:
            there = set(file.schema_arrow.names)
            names = [name for name in ("user", *_PSEUDONYMS) if name in there]
            for batch in file.iter_batches(
                _ROWS_AT_A_TIME, columns=["record_id", "unit", "source", "received_at", *names]
            ):
                yield from self._theirs(batch, names, hour)
                yield None

    def _theirs(self, batch: pa.RecordBatch, names: list[str], hour: str) -> Iterator[Found]:
        theirs = pa.nulls(batch.num_rows, pa.bool_()).fill_null(False)
        for name in names:
            wanted = self._users_in(batch) if name == "user" else set(self._wanted[_PSEUDONYMS[name]])
            if wanted:
                theirs = pc.or_(theirs, _among(batch.column(name), wanted))
        received = batch.column("received_at").cast(pa.timestamp("ms", tz="UTC")).cast("int64")
        for row in batch.filter(pc.and_(theirs, pc.less(received, self._until_ms))).to_pylist():
            at_ms = round(row["received_at"].timestamp() * 1_000)
            asked = self._who_wants(
                (
                    ("user", self._pseudonym_of_user(row["user"])) if name == "user" else (_PSEUDONYMS[name], row[name])
                    for name in names
                ),
                at_ms,
            )
            if asked is not None:
                yield Found(asked, Unit(row["record_id"].hex(), row["unit"]), row["source"], hour)

    def letters(self, path: Path) -> Iterator[Found | None]:
        """The dead letters of a file that hold a name of theirs; None after each that was read."""
        for letter in read_dead_letters(path):
            if letter.received_at_ms < self._until_ms:
                asked = self._who_wants(self._names_in(letter), letter.received_at_ms)
                if asked is not None:
                    unit = Unit(letter.record_id, letter.unit)
                    yield Found(asked, unit, letter.source, hour_of(letter.received_at_ms), letter.reason)
            yield None

    def _names_in(self, letter: DeadLetter) -> Iterator[tuple[Kind, str | None]]:
        for name in _words(letter):
            yield "recipient", name
            for kind in _KINDS_OF_WORDS:
                if self._wanted[kind]:
                    yield kind, self._pseudonyms.of(kind, name.encode())

    def _who_wants(self, names: Iterable[tuple[Kind, str | None]], at_ms: int) -> str | None:
        """The oldest of the erasures that want what came then from somebody of these names."""
        asking = [
            (erasure.requested_at_ms, erasure.id)
            for kind, pseudonym in names
            if pseudonym is not None
            for erasure in self._wanted[kind].get(pseudonym, ())
            if at_ms < erasure.until_ms
        ]
        return min(asking)[1] if asking else None

    def _users_in(self, batch: pa.RecordBatch) -> set[str]:
        """The users named in a piece that are wanted: what stands there is a name, not its pseudonym."""
        if not self._wanted["user"]:
            return set()
        said = batch.column("user").unique().to_pylist()
        return {name for name in said if name is not None and self._pseudonym_of_user(name) in self._wanted["user"]}

    def _pseudonym_of_user(self, name: str | None) -> str | None:
        return None if name is None else self._pseudonyms.of("user", name.encode())


def taken_out(commit: Commit, erasure: str, rows: list[Found], letters: list[Found], made_at_ms: int) -> Adjustment:
    """What takes rows and dead letters of one commit out of what counts, for one erasure."""
    events = Counter((one.source, one.hour) for one in (*rows, *letters))
    return Adjustment(
        id=new_id(),
        made_at_ms=made_at_ms,
        commit=commit.segment,
        why="erasure",
        erasure=erasure,
        changes=added_up(
            [
                *(Count(one.source, one.hour, good=-1, excluded=1) for one in rows),
                *(Count(one.source, one.hour, bad=-1, excluded=1) for one in letters),
            ]
        ),
        exclusions=[Exclusion(source, hour, REASON, n) for (source, hour), n in sorted(events.items())],
        gone_rows=[one.unit for one in rows],
        gone_letters=[one.unit for one in letters],
        reasons={reason: -n for reason, n in Counter(one.reason for one in letters).items()},
    )


def _among(column: pa.Array, wanted: set[str]) -> pa.Array:
    return pc.is_in(column, value_set=pa.array(sorted(wanted), pa.string()))


def _words(letter: DeadLetter) -> Iterator[str]:
    raw = base64.b64decode(letter.payload)
    try:
        return names_in_hit(payload.decode(raw))
    except ValueError:
        return names_in(raw)
