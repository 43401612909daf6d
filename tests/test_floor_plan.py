"""The order of the rooms, told once in words and once to import-linter; and the size a module may have."""

import tomllib
from pathlib import Path

import pytest

import latchstring_gateway

_ROOT = Path(__file__).parent.parent
_MAX_LINES = {"gateway": 300, "middleware": 300, "loadtests": 300, "tests": 600}


def _layers() -> list[set[str]]:
    contracts = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [{room.strip() for room in layer.replace(":", "|").split("|")} for layer in layers]


def test_the_floor_plan_in_words_is_the_one_that_is_enforced() -> None:
    """The docstring of the package lists the same rooms in the same order as the contract."""
    told = []
    for line in (latchstring_gateway.__doc__ or "").splitlines()[2:]:
        rooms = line.split("   ")[0] if "   " in line else line.split("  ")[0]
        told.append({room.strip() for room in rooms.replace(":", "|").split("|")})

    assert [rooms for rooms in told if rooms != {""}] == _layers()


def test_every_room_stands_on_a_floor() -> None:
    """No module of the package is missing from the plan."""
    rooms = {path.stem for path in (_ROOT / "gateway").iterdir() if path.suffix == ".py" or path.is_dir()}

    assert rooms - {"__init__", "__pycache__"} == set().union(*_layers())


@pytest.mark.parametrize(("folder", "most"), _MAX_LINES.items())
def test_no_module_is_longer_than_a_reader_can_hold(folder: str, most: int) -> None:
    """300 lines in the product; a test file may hold longer tables of hostile input."""
    sizes = {path: len(path.read_text().splitlines()) for path in (_ROOT / folder).rglob("*.py")}

    assert {str(path.relative_to(_ROOT)): lines for path, lines in sizes.items() if lines > most} == {}
