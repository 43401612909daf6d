"""`latchstring redirect`: a link that a worker takes."""

from pathlib import Path

import typer
from typer.testing import CliRunner, Result

from latchstring_gateway.cli import redirect
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.snowplow.redirect import Redirects
from latchstring_gateway.tokens.keyring import KeyRing, create_key_file


def _run(data: Path, target: str) -> Result:
    app = typer.Typer()
    redirect.register(app)
    environment = {"LATCHSTRING_DATA_DIR": str(data), "LATCHSTRING_KEYS_FILE": None}
    return CliRunner().invoke(app, [target], env=environment)


def test_the_link_it_prints_leads_there(tmp_path: Path) -> None:
    """Any worker with the same keys sends visitors on."""
    create_key_file(tmp_path / "keys.json")

    said = _run(tmp_path, "https://partner.example/sale?a=b")

    assert said.exit_code == 0
    query = said.output.strip().partition("?")[2].encode()
    ring = KeyRing.load(tmp_path / "keys.json", SystemClock())
    assert Redirects(ring, ()).target_of(query) == b"https://partner.example/sale?a=b"


def test_what_is_no_url_or_has_no_keys_is_told(tmp_path: Path) -> None:
    """Nothing is printed that would not work."""
    assert _run(tmp_path, "https://partner.example/").exit_code != 0
    create_key_file(tmp_path / "keys.json")
    assert _run(tmp_path, "partner.example").exit_code != 0
