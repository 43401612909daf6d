"""`latchstring report` and `latchstring ledger`: readable, safe to print, and honest in their exit code."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from harness.hits import TRUSTED, pixel, write_segment
from latchstring_gateway.cli import ledger, reports
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.shipping.run import Shipper


def _run(data_dir: Path, *arguments: str, columns: int = 100) -> tuple[int, str]:
    app = typer.Typer()
    reports.register(app)
    ledger.register(app)
    # The hits are of 2027.
    until = ["--to", "2027-01-15"] if arguments[0] == "report" and "--month" not in arguments else []
    result = CliRunner().invoke(app, [*arguments, *until, "--data-dir", str(data_dir)], env={"COLUMNS": str(columns)})
    return result.exit_code, result.output


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with three good hits, one bad one and one that waits."""
    write_segment(tmp_path, [pixel(b"p=/watch/1"), pixel(b"p=/watch/1"), pixel(b"p=/home"), pixel(b"p=bad")])
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()
    write_segment(tmp_path, [pixel(b"p=/watch/2")])
    return tmp_path


def test_pages_are_a_table(data_dir: Path) -> None:
    """Most viewed first, with how recent and how complete it is."""
    code, output = _run(data_dir, "report", "pages")

    lines = output.splitlines()
    assert code == 0
    assert lines[1].split() == ["/watch/1", "2", "2", "0"]
    assert lines[2].split()[0] == "/home"
    assert "; complete up to " in output


def test_empty_warehouse_says_so(tmp_path: Path) -> None:
    """Nothing yet is said in words, and is no failure."""
    (tmp_path / "journal").mkdir()
    code, output = _run(tmp_path, "report", "pages")
    assert (code, "Nothing yet." in output) == (0, True)

    code, output = _run(tmp_path, "ledger")
    assert (code, "no hit has been received yet" in output) == (0, True)


def test_json_is_for_scripts(data_dir: Path) -> None:
    """The same figures, one JSON object."""
    code, output = _run(data_dir, "report", "pages", "--json", "--limit", "1")
    assert code == 0
    assert [row["page"] for row in json.loads(output)["rows"]] == ["/watch/1"]

    code, output = _run(data_dir, "ledger", "--json")
    found = json.loads(output)
    assert (code, found["adds_up"]) == (0, True)
    assert (found["total"]["received"], found["total"]["good"], found["total"]["pending"]) == (5, 3, 1)


def test_ledger_that_adds_up_exits_0(data_dir: Path) -> None:
    """Every hit stands in one column."""
    code, output = _run(data_dir, "ledger")

    assert code == 0
    assert "Adds up" in output
    assert ["2027-01-15", "08:00", "pixel", "5", "3", "1", "0", "0", "1"] in [
        line.split() for line in output.splitlines()
    ]


def test_ledger_that_does_not_add_up_exits_1(data_dir: Path) -> None:
    """A script notices."""
    next((data_dir / "warehouse").rglob("*.parquet")).unlink()

    code, output = _run(data_dir, "ledger")

    assert code == 1
    assert "Does not add up" in output


def test_what_visitors_send_does_not_steer_the_terminal(tmp_path: Path) -> None:
    """A page or campaign named with markup or direction marks is printed as text."""
    write_segment(tmp_path, [pixel("p=/[red]x&campaign=[b]x\N{RIGHT-TO-LEFT OVERRIDE}y&e=click".encode())])
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()

    _, pages = _run(tmp_path, "report", "clicks", "--by", "page")
    _, campaigns = _run(tmp_path, "report", "clicks", "--by", "campaign")

    assert "/[red]x" in pages
    assert "[b]x\N{REPLACEMENT CHARACTER}y" in campaigns


def test_table_shrinks_to_the_width(tmp_path: Path) -> None:
    """Long pages are cut with an ellipsis, numbers never."""
    write_segment(tmp_path, [pixel(b"p=/" + b"x" * 300)] * 1_234)
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()

    _, output = _run(tmp_path, "report", "pages", columns=60)

    assert all(len(line) <= 60 for line in output.splitlines())
    assert "1,234" in output


def test_csv_is_for_spreadsheets_and_holds_no_formula(tmp_path: Path) -> None:
    """What a stranger wrote is text."""
    write_segment(tmp_path, [pixel(b"p=/a&e=click"), pixel(b"p=/a"), pixel(b"p=/a")])
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()

    code, output = _run(tmp_path, "report", "pages", "--csv")

    assert (code, output.splitlines()) == (0, ["page,gross,net,visitors", "/a,2,2,0"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("pages", "--by", "country"),
        ("pages", "--country", "nl"),
        ("pages", "--limit", "0"),
        ("pages", "--month", "2027-13"),
        ("audience", "--partner"),
        ("funnel", "view:/"),
    ],
)
def test_question_that_cannot_be_asked_is_told_with_exit_code_1(data_dir: Path, arguments: tuple[str, ...]) -> None:
    """In one line that says what was expected."""
    code, output = _run(data_dir, "report", *arguments)

    assert (code, output.startswith("bad_question: expected ")) == (1, True)


@pytest.mark.parametrize("report", ["clicks", "viewing", "mail", "audience", "live"])
def test_every_report_is_a_command(data_dir: Path, report: str) -> None:
    """Each says of which moment it is."""
    code, output = _run(data_dir, "report", report)

    assert (code, "; complete up to " in output) == (0, True)


def test_funnel_is_a_command(data_dir: Path) -> None:
    """Steps are arguments; nobody consented here, so nobody can be followed."""
    code, output = _run(data_dir, "report", "funnel", "view:/home", "view:/watch/*")

    assert code == 0
    assert output.splitlines()[1].split() == ["view:/home", "0", "-", "-"]
    assert "left out: no_visitor 3" in output
