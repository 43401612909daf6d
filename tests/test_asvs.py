"""docs/asvs.md names a test for each demand, or says why there is none; the tests that it names exist."""

import ast
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_DOCUMENT = (_ROOT / "docs" / "asvs.md").read_text()
_NAMED = sorted(set(re.findall(r"`(tests/[\w./]+\.py)::([\w:]+)`", _DOCUMENT)))
#: How many demands of the standard concern us; the list has a row for each.
_DEMANDS = 56


@pytest.mark.parametrize(("file", "name"), _NAMED)
def test_a_named_test_exists(file: str, name: str) -> None:
    """A test that is renamed or removed takes its promise out of the list with it."""
    found: list[ast.stmt] = ast.parse((_ROOT / file).read_text()).body
    for part in name.split("::"):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        inner = [one for one in found if isinstance(one, kinds) and one.name == part]
        assert inner, f"{file} has no {part}"
        found = inner[0].body


def test_each_demand_is_held_by_a_test_or_does_not_apply() -> None:
    """No row is empty, and none is left out."""
    rows = [line.split(" | ", 3) for line in _DOCUMENT.splitlines() if re.match(r"\| \d+ \|", line)]

    assert [int(row[0].strip("| ")) for row in rows] == list(range(1, _DEMANDS + 1))
    assert [row for row in rows if "`tests/" not in row[3] and not row[3].startswith("Does not apply:")] == []
