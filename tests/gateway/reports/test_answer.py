"""Answers as JSON and CSV: complete, and nothing in them that a program could take for an order."""

import csv
import io
import json

import pytest

from harness.hits import NOW_MS
from latchstring_gateway.reports.answer import Answer, Value, Withheld, csv_of, json_of
from latchstring_gateway.reports.question import question


def _answer(rows: list[list[Value]]) -> Answer:
    return Answer(
        question=question("pages", {}, now_ms=NOW_MS, partner_people=10),
        as_of_ms=NOW_MS,
        watermark_ms=NOW_MS - 1,
        gross=3,
        net=2,
        excluded={"bot": 1},
        visitors=2,
        visitors_error=0.0,
        columns=["page", "net"],
        rows=rows,
        withheld=Withheld(2, 10),
    )


def test_json_names_every_column_in_every_row() -> None:
    """With the moment, the watermark and what was left out."""
    told = json.loads(json_of(_answer([["/a", 2]])))

    assert told["rows"] == [{"page": "/a", "net": 2}]
    assert (told["as_of_ms"], told["watermark_ms"]) == (NOW_MS, NOW_MS - 1)
    assert (told["gross"], told["net"], told["excluded"]) == (3, 2, {"bot": 1})
    assert told["withheld"] == {"rows": 2, "below_people": 10}
    assert told["question"]["first_day"] == "2026-12-17"


@pytest.mark.parametrize("page", ["/a,b", '/"a"', "/a\nb", None, "/ü", ""])
def test_csv_gives_back_what_was_put_in(page: str | None) -> None:
    """Commas, quotes and line ends of a page are its own."""
    lines = list(csv.reader(io.StringIO(csv_of(_answer([[page, 2]])))))

    assert lines == [["page", "net"], [page or "", "2"]]


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_holds_no_formula(begin: str) -> None:
    """A spreadsheet would reckon what a stranger wrote."""
    (_, (cell, _)) = csv.reader(io.StringIO(csv_of(_answer([[f"{begin}HYPERLINK()", -2]]))))

    assert cell == f"'{begin}HYPERLINK()"
