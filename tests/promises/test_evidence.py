"""The evidence itself: a row without trials is red, a misspelled break is refused, and each break turns its row red."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.evidence import BREAKS, Evidence, Red, Row, breaks, is_long, pick
from harness.evidence_run import document, merged

_ROOT = Path(__file__).parents[2]


def run_evidence(tmp_path: Path, *arguments: str, **env: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit status, rows and words of a run in the short profile."""
    found = tmp_path / "rows.json"
    command = [sys.executable, "-m", "harness.evidence_run", "--profile", "short", "--json", str(found), *arguments]
    sound = {name: value for name, value in os.environ.items() if not name.startswith("EVIDENCE_")}
    env = {**sound, "PYTHONPATH": str(_ROOT / "tests"), **env}
    run = subprocess.run(command, cwd=_ROOT, env=env, capture_output=True, text=True)
    return run.returncode, json.loads(found.read_text()) if found.exists() else [], run.stdout + run.stderr


def _noticed() -> list[Any]:
    return [
        pytest.param(name, red, id=f"{name}-{Path(red.test.partition('::')[0]).stem}", marks=_marks(red))
        for name, one in BREAKS.items()
        for red in one.noticed_by
        if is_long() or not red.slow
    ]


def _marks(red: Red) -> list[pytest.MarkDecorator]:
    return [pytest.mark.timeout(600), getattr(pytest.mark, red.suite)]


@pytest.mark.parametrize(("name", "red"), _noticed())
def test_a_break_turns_its_row_red(name: str, red: Red, tmp_path: Path, evidence: Evidence) -> None:
    """A mistake put in on purpose is found by the row that is there to find it, in at most three short runs.

    What kills and races by chance does not meet each mistake every time; the long profile tries more than three times
    as much.
    """
    found = False
    for _ in range(3):
        status, rows, said = run_evidence(tmp_path, red.test, EVIDENCE_BREAK=name)
        found = status == 1 and any(row["violations"] for row in rows)
        if found:
            break
        print(said)
    evidence.row(
        promise="all",
        tried="mistakes put in on purpose (EVIDENCE_BREAK), each found by its row",
        trials=1,
        violations=not found,
    )


def test_every_break_says_what_it_does_and_who_notices() -> None:
    """One sentence each, and tests that exist."""
    for name, one in BREAKS.items():
        assert one.sentence.endswith("."), name
        assert one.noticed_by, name
        for red in one.noticed_by:
            assert (_ROOT / red.test.partition("::")[0]).is_file(), red.test


def test_every_row_can_turn_red() -> None:
    """For each test that gives evidence there is a mistake that it must notice."""
    noticing = {red.test.partition("[")[0] for one in BREAKS.values() for red in one.noticed_by}
    giving = [
        (str(path.relative_to(_ROOT)), one.name)
        for path in (_ROOT / "tests" / "promises").glob("test_*.py")
        for one in ast.walk(ast.parse(path.read_text()))
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and "evidence" in [arg.arg for arg in one.args.args]
    ]
    giving.remove(("tests/promises/test_evidence.py", test_a_break_turns_its_row_red.__name__))

    assert [f"{file}::{name}" for file, name in giving if not {file, f"{file}::{name}"} & noticing] == []


def test_the_product_knows_no_switch_for_mistakes() -> None:
    """Mistakes are put in from outside: no file of the product reads the environment of the evidence."""
    product = [
        path for room in ("gateway", "middleware", "deploy") for path in (_ROOT / room).rglob("*") if path.is_file()
    ]

    assert [path for path in product if b"EVIDENCE_" in path.read_bytes()] == []


def test_an_unknown_break_or_profile_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelled word must not pass for a run without mistakes; the known ones are listed."""
    monkeypatch.setenv("EVIDENCE_BREAK", "no-barrier, no-bariers")
    with pytest.raises(ValueError, match=r"'no-bariers'; known: .*no-barrier"):
        breaks("no-barrier")
    with pytest.raises(ValueError, match="unknown break 'nobody-registered-it'"):
        breaks("nobody-registered-it")
    monkeypatch.setenv("EVIDENCE_PROFILE", "lnog")
    with pytest.raises(ValueError, match="expected short or long"):
        pick(short=1, long=2)


_TESTS = """
import pytest
from harness.evidence import Evidence, evidence

def test_nothing_tried(evidence):
    evidence.row(promise="P9", tried="nothing", trials=0, violations=0)

def test_no_row(evidence):
    pass

def test_fails_before_it_counts(evidence):
    raise RuntimeError("early")

def test_holds(evidence):
    evidence.row(promise="P9", tried="something", trials=3, violations=0)

def test_without_evidence():
    raise RuntimeError("not asked")
"""


def test_rows_that_say_nothing_are_red(tmp_path: Path) -> None:
    """No trials, no row, a failure before the first row: exit status 1, and the table names them."""
    tests = tmp_path / "test_of_rows.py"
    tests.write_text(_TESTS)

    status, rows, said = run_evidence(tmp_path, str(tests))

    assert status == 1
    assert [(row["promise"], row["trials"], row["violations"]) for row in rows] == [
        ("?", 0, 0),
        ("?", 0, 0),
        ("P9", 0, 0),
        ("P9", 3, 0),
    ]
    assert "nothing tried" in said
    assert "VERDICT: 3 of 4 rows red" in said
    assert "not asked" not in said


def test_a_choice_that_fits_nothing_is_no_success(tmp_path: Path) -> None:
    """Exit status 2: nothing was tried."""
    tests = tmp_path / "test_of_rows.py"
    tests.write_text(_TESTS)

    status, _, said = run_evidence(tmp_path, "--rows", "P77", str(tests))

    assert (status, "no test gives evidence" in said) == (2, True)


def test_rows_are_added_up_and_an_empty_one_is_not_hidden() -> None:
    """Parametrised tests give one row; a part of it that tried nothing makes it red."""
    rows = [Row("P2", "b", 10, 0, 1.0), Row("P1", "a", 1, 0, 0.5), Row("P2", "b", 5, 1, 1.5)]

    assert merged(rows) == [Row("P1", "a", 1, 0, 0.5), Row("P2", "b", 15, 1, 2.5)]
    assert merged([*rows, Row("P1", "a", 0, 0, 0.1)])[0].is_red()


def test_the_document_says_when_on_what_and_with_which_versions() -> None:
    """The dated table of a run."""
    text = document([Row("P2", "walks", 32_000, 0, 12.34)], 90)

    assert "| P2 | walks | 32,000 | 0 | 12.3 |" in text
    for word in ("UTC", "cores", "Python 3.", "Valkey ", "Linux "):
        assert word in text
