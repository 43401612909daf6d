"""The documents keep pace with the code: links lead somewhere, scripts state their contract, files are there."""

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_DOCUMENTS = [*_ROOT.glob("*.md"), *(_ROOT / "docs").glob("*.md"), *(_ROOT / "deploy").rglob("*.md")]
_SCRIPTS = sorted((_ROOT / "gateway").rglob("*.lua"))
_CODE_PATH = re.compile(r"`((?:gateway|middleware|loadtests|deploy|tests|docs)/[\w./-]+)`")


@pytest.mark.parametrize("document", _DOCUMENTS, ids=lambda path: str(path.relative_to(_ROOT)))
def test_links_and_paths_of_a_document_lead_to_files(document: Path) -> None:
    """Every relative link and every path in backticks exists."""
    text = document.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text) if "://" not in link]
    missing = [link for link in links if not (document.parent / link).exists()]
    missing += [path for path in _CODE_PATH.findall(text) if not (_ROOT / path).exists()]

    assert missing == []


@pytest.mark.parametrize("script", _SCRIPTS, ids=lambda path: path.name)
def test_a_lua_script_says_what_it_takes_and_gives(script: Path) -> None:
    """KEYS, ARGV and RETURNS head each script; a fragment for others says that it is included."""
    text = script.read_text()
    first = text.splitlines()[0]

    if first.startswith("-- Included by"):
        assert "KEYS[" not in text
        return
    for word in ("KEYS", "ARGV", "RETURNS"):
        assert re.search(rf"^-- {word}\b", text, re.MULTILINE), f"{script.name} lacks {word}"


def test_nothing_names_a_registry() -> None:
    """Lock files carry hashes and no addresses."""
    for path in [*(_ROOT / "requirements").glob("*.txt"), *(_ROOT / "tests" / "harness").glob("*/package-lock.json")]:
        assert "://" not in path.read_text(), path.name
