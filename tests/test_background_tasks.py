"""No bare task: what runs in the background is supervised, documented, and shown when it fails."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_SPAWNERS = {"create_task", "ensure_future", "TaskGroup", "run_coroutine_threadsafe"}
#: Where a task may be begun without the runner: each is awaited, or its outcome taken, by whoever began it.
_ALLOWED = {
    "gateway/background.py": "the runner itself",
    "gateway/revocation/tasks.py": "heartbeats that several callers share; Link takes what became of each",
    "gateway/beacons/journal.py": "the journal's keeper, which survives everything; `close` awaits it",
    "gateway/hooks/deliver.py": "one courier a hook; `_served` takes what it raises",
    "gateway/hooks/courier.py": "attempts under way; `_settle` takes what became of each",
    "gateway/moving/vouching.py": "one question to the website that several visitors share",
    "gateway/moving/bring_in.py": "windows of an import, awaited in turn",
    "gateway/sessions/renew.py": "one renewal that simultaneous requests share",
    "gateway/store/client.py": "one look for the servers that several callers share; it raises nothing",
    "gateway/supervise/supervisor.py": "waits for readiness, ended by the same function",
    "gateway/supervise/children.py": "the keeper of a child, which survives everything; `stop` awaits it",
    "gateway/demo/run.py": "the demo's terminal, awaited by the same function",
    "middleware/passport_keys.py": "one fetch that requests share; each takes its outcome",
}
_NAMING = {"Task", "hold", "forever", "task", "keep"}


def _calls() -> Iterator[tuple[str, ast.Call, str]]:
    for folder in ("gateway", "middleware"):
        for path in sorted((_ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                    yield str(path.relative_to(_ROOT)), node, name


def test_nothing_runs_in_the_background_without_a_guard() -> None:
    """A task that ends with an exception which nobody asks for ends in silence: give it to background.py."""
    found = {path for path, _call, name in _calls() if name in _SPAWNERS}

    assert found - _ALLOWED.keys() == set()
    assert _ALLOWED.keys() - found == set(), "these begin no task any more: take them off the list"


def test_every_task_is_documented() -> None:
    """docs/outages.md says what each does and what its failing means; the label of two metrics holds its name."""
    house = (_ROOT / "gateway" / "housekeeping" / "house.py").read_text()
    named = {f"housekeeping_{name}" for name in re.findall(r'\bstep\("(\w+)"', house)} | {
        call.args[0].value
        for path, call, name in _calls()
        if name in _NAMING and path.startswith("gateway/") and "/cli/" not in path and call.args
        if isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    }
    section = (_ROOT / "docs" / "outages.md").read_text().partition("## What runs in the background")[2]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]

    assert "key_file" in named
    assert named == {name for row in rows for name in re.findall(r"`(\w+)`", row)}
