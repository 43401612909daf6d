"""An answer: rows, what they add up to, what was left out of them and why, and of which moment it is; JSON or CSV."""

import csv
import io
from typing import Final

import msgspec
from msgspec import Struct

from .question import Question

Value = str | int | float | None

#: A cell of a spreadsheet that begins so is a formula; pages and campaigns are written by strangers.
_FORMULA_BEGINS: Final = ("=", "+", "-", "@", "\t", "\r")


class Withheld(Struct, frozen=True):
    """Rows that are not shown: because of too few people, or so that nobody can tell those by subtraction."""

    rows: int
    below_people: int


class Answer(Struct, frozen=True, kw_only=True):
    """The answer to a question.

    Every hit received before `watermark_ms` is in it, and none after `as_of_ms`. `gross` counts all events the report
    is about, `net` those that count, `excluded` the difference by reason; all three over all rows, shown or not.
    `visitors` counts those who can be told apart, `visitors_error` is its relative standard error, 0 if it is exact.
    """

    question: Question
    as_of_ms: int
    watermark_ms: int
    gross: int
    net: int
    excluded: dict[str, int]
    visitors: int | None
    visitors_error: float
    columns: list[str]
    rows: list[list[Value]]
    withheld: Withheld | None = None

    def cell(self, row: list[Value], column: str) -> Value:
        """The value of one row under one column; ValueError if there is no such column."""
        return row[self.columns.index(column)]


def json_of(answer: Answer) -> bytes:
    """The answer, each row an object with the columns as names."""
    told = msgspec.to_builtins(answer)
    told["rows"] = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    return msgspec.json.encode(told)


def csv_of(answer: Answer) -> str:
    """The rows as a table (RFC 4180), its first line the columns. What a stranger wrote is no formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(answer.columns)
    writer.writerows([_harmless(value) for value in row] for row in answer.rows)
    return text.getvalue()


def _harmless(value: Value) -> Value:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_BEGINS) else value
