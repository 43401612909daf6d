"""A fresh machine gets what the tests start: each target names the system packages of its suites."""

import re
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parents[1]
#: Programs of Debian that modules of the harness start.
_NEEDED: Final = {
    "prometheus.py": {"prometheus"},
    "year_of_a_store.py": {"faketime"},
    "small_disk.py": {"unshare", "mount"},
    "proxies.py": {"nginx"},
    "cookie_clients.py": {"curl", "chromium"},
}


def _installed(target: str) -> set[str]:
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (_ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    return set(re.findall(r"[\w.-]+:(\w[\w.-]*)", " ".join(re.findall(r"system-packages (.*)", recipe[1]))))


def _used_by(folder: str) -> set[str]:
    tests = "".join(path.read_text() for path in (_ROOT / "tests" / folder).rglob("*.py"))
    return {program for module, all_of in _NEEDED.items() if f"harness.{module[:-3]} " in tests for program in all_of}


@pytest.mark.parametrize(("target", "folder"), [("test", ""), ("evidence", "promises")])
def test_a_target_installs_what_its_tests_start(target: str, folder: str) -> None:
    """The alerts' tests failed on a fresh machine: nothing had brought Prometheus there."""
    used = _used_by(folder)

    assert len(used) > 1
    assert used - _installed(target) == set()


def test_no_other_module_of_the_harness_looks_for_a_program() -> None:
    """A new one is listed above, and in the Makefile."""
    looks = {path.name for path in (_ROOT / "tests" / "harness").glob("*.py") if "shutil.which(" in path.read_text()}

    assert looks - _NEEDED.keys() == set()
