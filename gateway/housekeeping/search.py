"""Whose rows and dead letters a commit holds: what an erasure searches for."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..beacons import payload
from ..shipping.adjustments import Unit
from ..shipping.dead_letters import DeadLetter, read_dead_letters
from ..shipping.erasures import Erasure
from ..shipping.names_in import names_in, names_in_hit
from ..shipping.pseudonyms import Kind, Pseudonyms

#: Columns that hold a pseudonym, and of which kind it is.
_PSEUDONYMS: Final[dict[str, Kind]] = {
    "visitor": "cookie",
    "tracker_visitor": "tracker",
    "recipient": "recipient",
}


class Found(NamedTuple):
    """A row or dead letter of the person's."""

    unit: Unit
    source: str


class Search:
    """Searches for the subjects of one erasure."""

    def __init__(self, erasure: Erasure, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._until_ms = erasure.until_ms
        self._wanted: dict[Kind, set[str]] = {kind: set() for kind in get_args(Kind)}
        for subject in erasure.subjects:
            self._wanted[subject.kind].add(subject.pseudonym)

    def rows(self, path: Path) -> list[Found]:
        """The person's rows of a Parquet file. Raises OSError if it cannot be read."""
        with pq.ParquetFile(path) as file:
            there = set(file.schema_arrow.names)
            columns = ["record_id", "unit", "source", "received_at", *({"user", *_PSEUDONYMS} & there)]
            table = file.read(columns)
        theirs = pa.nulls(table.num_rows, pa.bool_()).fill_null(False)
        for name, kind in _PSEUDONYMS.items():
            if name in there and self._wanted[kind]:
                theirs = pc.or_(theirs, _among(table.column(name), self._wanted[kind]))
        if "user" in there and self._wanted["user"]:
            said = table.column("user").unique().to_pylist()
            names = {name for name in said if name is not None and self._is_wanted("user", name)}
            theirs = pc.or_(theirs, _among(table.column("user"), names))
        received = table.column("received_at").cast(pa.timestamp("ms", tz="UTC")).cast("int64")
        found = table.filter(pc.and_(theirs, pc.less(received, self._until_ms)))
        ids, units, sources = (found.column(name).to_pylist() for name in ("record_id", "unit", "source"))
        return [
            Found(Unit(record_id.hex(), unit), source)
            for record_id, unit, source in zip(ids, units, sources, strict=True)
        ]

    def letters(self, path: Path) -> Iterator[DeadLetter]:
        """The dead letters of a file that hold a name of the person's."""
        for letter in read_dead_letters(path):
            if letter.received_at_ms < self._until_ms and any(map(self._is_anybodys, _words(letter))):
                yield letter

    def _is_anybodys(self, name: str) -> bool:
        is_pseudonym = name in self._wanted["recipient"]
        return is_pseudonym or self._is_wanted("user", name) or self._is_wanted("tracker", name)

    def _is_wanted(self, kind: Kind, name: str) -> bool:
        return bool(self._wanted[kind]) and self._pseudonyms.of(kind, name.encode()) in self._wanted[kind]


def _among(column: pa.ChunkedArray, wanted: set[str]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(sorted(wanted), pa.string())).combine_chunks()


def _words(letter: DeadLetter) -> Iterator[str]:
    raw = base64.b64decode(letter.payload)
    try:
        return names_in_hit(payload.decode(raw))
    except ValueError:
        return names_in(raw)
