"""`latchstring geo`, run as a person runs it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from harness.people import place_file
from harness.places import published, statistics_file
from harness.proxies import Certificate
from latchstring_gateway.cli.main import app


def _latchstring(data: Path, *arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(
        app, ["geo", *arguments], env={"LATCHSTRING_DATA_DIR": str(data), "COLUMNS": "160", **environment}
    )


def _told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_countries_are_there_before_anything_is_fetched(tmp_path: Path) -> None:
    """And the command says where they come from, how old they are, and what they tell."""
    shown = _latchstring(tmp_path, "show", "193.0.6.139", "2001:67c:2e8::1", "nonsense")
    told = _told(_latchstring(tmp_path, "show", "193.0.6.139", "--json"))

    assert shown.exit_code == 0
    assert "package iptocc" in shown.stdout
    assert shown.stdout.count("NL") == 2
    assert told["addresses"] == {"193.0.6.139": {"country": "NL", "asn": None, "provider": None}}
    assert told["data"][0]["made_at_ms"] > 0


def test_an_update_is_used_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file or over the network; it says so, for people and for scripts."""
    data = tmp_path / "data"
    by_file = _latchstring(data, "update", "--from", str(statistics_file(tmp_path)))
    certificate = Certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with published(certificate, {"/s": statistics_file(tmp_path).read_bytes()}) as url:
        by_network = _told(_latchstring(data, "update", "--from", f"{url}/s", "--json"))

    path = str(data / "places" / "countries.mmdb")
    assert by_file.exit_code == 0, by_file.output
    assert path in by_file.stdout
    assert (by_network["path"], by_network["used"]) == (path, True)
    assert _told(_latchstring(data, "show", "198.18.0.1", "--json"))["addresses"]["198.18.0.1"]["country"] == "SE"


def test_an_update_that_another_file_goes_before_says_so(tmp_path: Path) -> None:
    """Who names a file of his own, or wants no places, does not wonder why nothing changed."""
    own = place_file(tmp_path / "own.mmdb", {"203.0.113.0/24": {"country": {"iso_code": "SE"}}})
    source = str(statistics_file(tmp_path))

    named = _latchstring(tmp_path, "update", "--from", source, LATCHSTRING_COUNTRY_FILE=str(own))
    off = _latchstring(tmp_path, "update", "--from", source, LATCHSTRING_PLACES="false")

    assert f"{own} goes before them" in " ".join(named.stdout.split())
    assert "LATCHSTRING_PLACES is off" in off.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("update", "--from", "none"), "countries not updated, what was there stays: "),
        (("update", "--from", "http://x/y"), "expected an https URL"),
        (("update", "providers"), "name a file by --from"),
        (("update", "--from", "{junk}"), "expected a MaxMind DB"),
        (("update", "--from", "{good}", "--integrity", "sha512-AAAA"), "hash"),
    ],
)
def test_an_update_that_fails_says_why(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    """In one line on stderr, with status 1; nothing is left behind."""
    (tmp_path / "junk").write_text("junk")
    files = {"{junk}": str(tmp_path / "junk"), "{good}": str(statistics_file(tmp_path))}

    result = _latchstring(tmp_path / "data", *(files.get(one, one) for one in arguments))

    assert result.exit_code == 1
    assert told in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "data" / "places" / "countries.mmdb").exists()
