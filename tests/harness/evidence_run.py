"""Run the tests that give evidence and end in one table: `make evidence`, or `python -m harness.evidence_run --help`.

Exit status: 0 every promise held, 1 a row is red (violations, or no trials) or a test failed, 2 a wrong call.
"""

import argparse
import contextlib
import dataclasses
import datetime as dt
import io
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from latchstring_gateway.store.embedded import find_server

from .evidence import LISTENER, Row

_ROOT: Final = Path(__file__).parents[2]
_DOCUMENT: Final = _ROOT / "docs" / "evidence.md"
#: The whole long profile ends by then; what was not tried is a red row.
_AT_MOST_SECONDS: Final = 120 * 60
_COLUMNS: Final = ("promise", "what was tried", "trials", "violations", "seconds")


def main() -> int:
    """Run, print the table, write what was asked for; the exit status is in the module's docstring."""
    asked = _arguments()
    os.environ["EVIDENCE_PROFILE"] = asked.profile
    # Taken before pytest redirects the process's own outputs.
    console = Console(file=os.fdopen(os.dup(2), "w"))
    began = time.monotonic()
    listener = _Listener(console, began + _AT_MOST_SECONDS)
    status, said = _run(listener, asked.tests, asked.rows)
    failed = status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    rows = merged(listener.rows)
    if not rows:
        print(said)
        print("no test gives evidence for that: see `grep -rn 'evidence.row' tests` for the rows there are")
        return 2
    if failed:
        print(said)
    Console().print(_table(rows))
    if asked.json:
        asked.json.write_text(json.dumps([dataclasses.asdict(row) for row in rows]))
    chosen = asked.tests or asked.rows or asked.profile != "long" or os.environ.get("EVIDENCE_BREAK")
    if not chosen and status != pytest.ExitCode.INTERRUPTED:
        _DOCUMENT.write_text(document(rows, time.monotonic() - began))
    red = sum(row.is_red() for row in rows)
    wrong = "interrupted" if status == pytest.ExitCode.INTERRUPTED else "a test failed" if failed else ""
    print(f"VERDICT: {f'{red} of {len(rows)} rows red' if red else wrong or 'all held'}")
    return 1 if failed or red else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make evidence",
        description="Examples: make evidence · make evidence ROWS=P2,P4 · EVIDENCE_BREAK=no-barrier make evidence",
    )
    parser.add_argument("--rows", default="", help="words of test names, by comma: P2,flood (default: everything)")
    parser.add_argument("--profile", choices=("short", "long"), default="long")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("tests", nargs="*", metavar="TEST", help="files or node ids (default: tests/promises)")
    return parser.parse_args()


def _run(listener: "_Listener", tests: Sequence[str], words: str) -> tuple[int, str]:
    """Pytest's own exit status and report."""
    said = io.StringIO()
    options = [
        "-q",
        "--no-header",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "--rootdir",
        str(_ROOT),
    ]
    if words:
        options += ["-k", " or ".join(word.strip() for word in words.split(","))]
    chosen = list(tests) or [str(_ROOT / "tests" / "promises")]
    with contextlib.redirect_stdout(said), listener.progress:
        status = pytest.main([*options, *chosen], plugins=[listener])
    return status, said.getvalue()


class _Listener:
    """Chooses the tests that give evidence, shows how far they are, and gathers their rows."""

    def __init__(self, console: Console, deadline: float) -> None:
        self.rows: list[Row] = []
        self._deadline = deadline
        self._console = console
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._all = self.progress.add_task("tests", total=None)
        self._one = self.progress.add_task("", total=None, visible=False)

    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(_Progressing(self.progressed), LISTENER)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if "evidence" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen
        self.progress.update(self._all, total=len(chosen))

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.progress.reset(self._one, description=item.name[:60], total=None, visible=True)
        if time.monotonic() > self._deadline:
            pytest.fail(f"not tried: the {_AT_MOST_SECONDS // 60} minutes are over", pytrace=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            rows = [
                Row(**value) for name, value in report.user_properties if name == "evidence" and isinstance(value, dict)
            ]
            # What failed before it could count anything must not be missing from the table.
            rows = rows or [Row("?", report.nodeid.rpartition("/")[2], 0, 0, 0.0)]
            self.rows += rows
            self.progress.advance(self._all)
            if not self._console.is_terminal:
                name = report.nodeid.rpartition("/")[2]
                for row in rows:
                    self._console.print(
                        f"{name} · {' · '.join(_cells(row))}", highlight=False, markup=False, soft_wrap=True
                    )

    def progressed(self, done: int, total: int) -> None:
        """See `Listener`."""
        self.progress.update(self._one, completed=done, total=total)


class _Progressing:
    """The listener as the fixture finds it: by name, apart from pytest's hooks."""

    def __init__(self, progressed: Callable[[int, int], None]) -> None:
        self.progressed = progressed


def merged(rows: Iterable[Row]) -> list[Row]:
    """One row for each promise and way of trying it, ordered by promise."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (row.promise, row.tried)
        former = found.get(key)
        if former is None:
            found[key] = row
        elif former.trials and row.trials:
            found[key] = Row(
                *key, former.trials + row.trials, former.violations + row.violations, former.seconds + row.seconds
            )
        else:  # nothing was tried in one of them: the sum must not hide it
            found[key] = Row(*key, 0, former.violations + row.violations, former.seconds + row.seconds)
    return sorted(found.values(), key=lambda row: (row.promise, row.tried))


def _cells(row: Row) -> tuple[str, ...]:
    verdict = "not held" if row.violations else "nothing tried" if row.is_red() else ""
    violations = f"{row.violations:,} {verdict}".strip()
    return row.promise, row.tried, f"{row.trials:,}", violations, f"{row.seconds:,.1f}"


def _table(rows: Sequence[Row]) -> Table:
    table = Table(*_COLUMNS[:2], title="Evidence")
    for name in _COLUMNS[2:]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*_cells(row), style="bold red" if row.is_red() else None)
    return table


def document(rows: Sequence[Row], seconds: float) -> str:
    """The text of docs/evidence.md after a whole run of the long profile."""
    when = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, commit {_said('git', 'rev-parse', '--short', 'HEAD')}"
    lines = [
        "# Evidence",
        "",
        "What `make evidence` tried, and how often a promise did not hold. Written by the run itself; the promises are",
        "in [architecture.md](architecture.md#promises). Each row can fail: `EVIDENCE_BREAK=no-barrier make evidence`",
        "puts a mistake in, and `tests/promises/test_evidence.py` demands that each known mistake turns its row red.",
        "",
        f"{when}, {seconds / 60:.0f} minutes on {_machine()}; {_versions()}.",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|---|---|--:|--:|--:|",
        *(f"| {' | '.join(_cells(row))} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _machine() -> str:
    facts = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    cpu = next((value.strip() for name, _, value in facts if name.strip() == "model name"), platform.machine())
    return f"{len(os.sched_getaffinity(0))} cores ({cpu})"


def _versions() -> str:
    valkey = _said(str(find_server()), "--version").partition("v=")[2].partition(" ")[0]
    return f"Linux {platform.release()}, Python {platform.python_version()}, Valkey {valkey}"


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, cwd=_ROOT, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
