"""`latchstring erase`: beside a shipper or without one, and what it tells."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.hits import batch, pixel, write_segment
from harness.people import files_with
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.housekeeping.house import House
from latchstring_gateway.ids import to_text
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.erasures import Erased, Erasure, Erasures
from latchstring_gateway.shipping.policy import PeoplePolicy
from latchstring_gateway.shipping.pseudonyms import Pseudonyms
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.tokens.keyring import create_key_file
from latchstring_middleware.forwarded import TrustedProxies

pytestmark = pytest.mark.beacons

_SECRET = "ada-7f3a9c"


def _run(data_dir: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the command sets its log up for good."""
    env = {**os.environ, "LATCHSTRING_DATA_DIR": str(data_dir), "COLUMNS": "160", **more}
    command = [sys.executable, "-m", "latchstring_gateway.cli.main", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def _shipper(data_dir: Path) -> Shipper:
    pseudonyms = Pseudonyms.at(data_dir)
    policy = PeoplePolicy(None, pseudonyms, erased=Erased(Erasures(data_dir / "warehouse")))
    return Shipper(data_dir, SystemClock(), TrustedProxies.parse("127.0.0.1"), policies=policy.now)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Two events and a dead letter of hers, among others'."""
    at_ms = SystemClock().wall_ms()
    hers = b'[{"p":"/hers","consent":"granted","user":"%b"},{"p":"/others"},{"p":7,"user":"%b"}]'
    write_segment(
        tmp_path,
        [
            pixel(b"p=/hers&consent=granted&visitor=" + _SECRET.encode(), at_ms=at_ms),
            batch(hers % (_SECRET.encode(), _SECRET.encode()), at_ms=at_ms),
        ],
    )
    with _shipper(tmp_path) as shipper:
        shipper.ship_once()
    return tmp_path


def test_without_a_shipper_it_takes_every_step_itself(data_dir: Path) -> None:
    """Under way, since reports may still read the old files; the ledger adds up at once."""
    done = _run(data_dir, "erase", "--user", _SECRET, "--tracker", _SECRET)

    assert done.returncode == 3, done.stdout + done.stderr
    assert "2 events and 1 dead letter taken out." in done.stdout
    assert ledger(data_dir).excluded == {"erased": 3}
    assert ledger(data_dir).problems == []
    erasure = done.stdout.rstrip().rpartition(" ")[2]
    listed = _run(data_dir, "erasures", erasure)
    assert (listed.returncode, listed.stdout.splitlines()[1].split()[3:]) == (0, ["leaving", "2", "1", erasure])


def test_beside_a_shipper_it_waits_for_what_is_pending(data_dir: Path) -> None:
    """It says how far it is, and the shipper goes on with it."""
    write_segment(data_dir, [pixel(b"p=/hers&consent=granted&user=" + _SECRET.encode(), at_ms=SystemClock().wall_ms())])
    with _shipper(data_dir) as shipper:
        done = _run(data_dir, "erase", "--user", _SECRET, "--wait", "0", "--json")
        told = json.loads(done.stdout)
        assert (done.returncode, told["state"], told["waits_for_segments"]) == (3, "waiting", 1)

        shipper.ship_once()
        with House(data_dir, SystemClock(), pseudonyms=Pseudonyms.at(data_dir)) as house:
            while house.tidy():
                pass

    (told,) = json.loads(_run(data_dir, "erasures", told["id"], "--json").stdout)
    assert (told["state"], told["events"], told["dead_letters"]) == ("leaving", 1, 1)
    assert files_with(data_dir / "journal", _SECRET) == []


def test_who_was_never_there_is_erased_at_once(data_dir: Path) -> None:
    """Complete, and nothing was taken out."""
    done = _run(data_dir, "erase", "--visitor", to_text(bytes(16)))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "is complete." in done.stdout
    assert "0 events and 0 dead letters taken out." in done.stdout


def test_an_account_is_deleted_without_any_worker(store_url: str, data_dir: Path) -> None:
    """The command takes a worker's place for a moment: its sign-out is certain, and its name is a user's too."""
    create_key_file(data_dir / "keys.json")

    done = _run(data_dir, "erase", "--account", _SECRET, "--json", LATCHSTRING_STORE=store_url)

    told = json.loads(done.stdout)
    assert (done.returncode, told["state"], told["events"]) == (3, "leaving", 1)
    assert told["account"]["receipt"]["status"] == "complete"
    assert (told["account"]["sessions"], told["account"]["devices"]) == (0, 0)


@pytest.mark.parametrize("arguments", [(), ("--visitor", "short"), ("--account", "ada lovelace")])
def test_a_wrong_call_erases_nobody(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """With a word on what is wrong."""
    (tmp_path / "journal").mkdir()
    done = _run(tmp_path, "erase", *arguments)

    assert done.returncode in (1, 2)
    assert done.stdout + done.stderr
    assert Erasures(tmp_path / "warehouse").ids() == []


def test_an_id_that_looks_like_an_option_is_an_id(tmp_path: Path) -> None:
    """One of 64 does."""
    Erasures(tmp_path / "warehouse").write(Erasure(id="-" + "A" * 21, requested_at_ms=0, subjects=[]))

    assert "-AAAAAAAAAAAAAAAAAAAAA" in _run(tmp_path, "erasures", "-" + "A" * 21).stdout


def test_a_list_of_none(tmp_path: Path) -> None:
    """A new node has erased nobody, and knows no id."""
    (tmp_path / "journal").mkdir()
    assert _run(tmp_path, "erasures").stdout == "Nobody was erased here.\n"
    assert _run(tmp_path, "erasures", "x").returncode == 1


def test_a_file_that_cannot_be_read_is_named(data_dir: Path) -> None:
    """By whoever erases and whoever asks how far it is; nobody waits for it in vain."""
    path = next((data_dir / "warehouse" / "events").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-100])

    done = _run(data_dir, "erase", "--user", _SECRET)
    listed = _run(data_dir, "erasures")
    told = json.loads(_run(data_dir, "erasures", "--json").stdout)

    assert (done.returncode, listed.returncode) == (3, 0), done.stdout + done.stderr
    for said in (done, listed):
        assert f"{path.relative_to(data_dir / 'warehouse')} cannot be read" in said.stdout
        assert "warehouse check --quarantine" in said.stdout
    assert [(one["state"], len(one["unreadable_files"])) for one in told] == [("rewriting", 1)]
