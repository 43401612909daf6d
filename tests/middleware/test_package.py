"""The package keeps to itself: a website can use it next to its own `middleware`, without our store or server."""

import json
import subprocess
import sys
from pathlib import Path

import latchstring_middleware

PROBE = """
import json, sys
import middleware
import latchstring_middleware
from latchstring_middleware.cookies import named_cookies
tops = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"own": middleware.OWN, "ours": latchstring_middleware.__name__, "modules": tops}))
"""


def test_a_websites_own_middleware_package_stays_its_own(tmp_path: Path) -> None:
    """Both can be imported at once, and ours pulls in no store, no server, no database and no gateway."""
    package = tmp_path / "middleware"
    package.mkdir()
    (package / "__init__.py").write_text("OWN = 'the website'\n")
    (tmp_path / "probe.py").write_text(PROBE)

    done = subprocess.run([sys.executable, "probe.py"], cwd=tmp_path, capture_output=True, text=True, check=True)

    found = json.loads(done.stdout)
    assert (found["own"], found["ours"]) == ("the website", "latchstring_middleware")
    unwanted = {"redis", "uvicorn", "uvloop", "httptools", "duckdb", "pyarrow", "msgspec", "structlog", "httpx"}
    assert unwanted & set(found["modules"]) == set()
    assert "latchstring_gateway" not in found["modules"]


def test_every_public_name_is_there() -> None:
    """What the package names can be had from it, and it is typed."""
    assert [name for name in latchstring_middleware.__all__ if not hasattr(latchstring_middleware, name)] == []
    assert (Path(latchstring_middleware.__file__).parent / "py.typed").exists()


def test_every_module_has_its_own_tests() -> None:
    """A module without a test file of its name is an oversight."""
    modules = {path.stem for path in Path(latchstring_middleware.__file__).parent.glob("*.py")} - {"__init__"}
    tested = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")} - {"package"}

    assert modules == tested
