"""Damaged files are found, and given up only with a word in the ledger."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.hits import NOW_MS
from harness.warehouse import commit
from latchstring_gateway.cli.main import app
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.check import check, give_up
from latchstring_gateway.housekeeping.compaction import compact
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.adjustments import Adjustment, Adjustments, Unit
from latchstring_gateway.shipping.catalogue import read_catalogue
from latchstring_gateway.shipping.commits import Commits, Count


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Two hours of one commit, the first of them cut short; of each hour an event does not count."""
    ids = [bytes([number]) * 16 for number in range(8)]
    events = [
        {"page": f"/{n}", "record_id": ids[n], "received_at": NOW_MS + n % 2 * 3_600_000, "source": "pixel"}
        for n in range(8)
    ]
    made = commit(tmp_path, events)
    hours = sorted({count.hour for count in made.counts})
    Adjustments(tmp_path / "warehouse").add(
        Adjustment(
            id="A" * 22,
            made_at_ms=NOW_MS,
            commit=made.segment,
            why="duplicates",
            changes=[Count("pixel", hour, good=-1, duplicate=1) for hour in hours],
            gone_rows=[Unit(ids[0].hex(), 0), Unit(ids[1].hex(), 0)],
        )
    )
    assert ledger(tmp_path).problems == []
    path = tmp_path / "warehouse" / made.events[0].path
    path.write_bytes(path.read_bytes()[:-50])
    return tmp_path


def test_a_damaged_file_is_given_up_with_its_events(damaged: Path) -> None:
    """Three of the first hour counted; those of the second still do, also after compaction."""
    warehouse = damaged / "warehouse"
    found = check(warehouse)
    assert len(found.files) == 1
    assert ledger(damaged).problems

    assert give_up(warehouse, found, ManualClock()) == 3

    told = ledger(damaged)
    assert (told.problems, told.total.good, told.total.excluded) == ([], 3, 3)
    assert told.excluded == {"damaged": 3}
    assert len(list((warehouse / "quarantine").iterdir())) == 1
    assert check(warehouse).files == {}
    catalogue = read_catalogue(warehouse)
    Commits(warehouse).add(compact(catalogue, "2027-01-15", catalogue.commits, now_ms=NOW_MS))
    assert (ledger(damaged).problems, ledger(damaged).total.good) == ([], 3)
    with committed_events(warehouse) as base:
        assert base is not None
        assert base.execute("SELECT count(*) FROM events").fetchall() == [(3,)]


def test_the_command_names_and_sets_aside(damaged: Path) -> None:
    """It changes nothing unasked; its exit code says whether all was well."""
    (damaged / "warehouse/erasures").mkdir()
    (damaged / "warehouse/erasures/AAAAAAAAAAAAAAAAAAAAAA.json").write_bytes(b"{")

    def run(*options: str) -> tuple[int, str]:
        said = CliRunner().invoke(app, ["warehouse", "check", "--data-dir", str(damaged), *options])
        return said.exit_code, said.stdout

    code, told = run()
    assert (code, told.count("cannot be read"), "AAAAAAAA.json" in told) == (1, 2, True)
    assert ledger(damaged).problems
    assert run("--quarantine")[0] == 1
    assert ledger(damaged).problems == []
    (damaged / "warehouse/erasures/AAAAAAAAAAAAAAAAAAAAAA.json").unlink()
    assert run() == (0, "Every file can be read.\n")
