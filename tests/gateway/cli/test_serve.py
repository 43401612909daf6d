"""What `latchstring serve` makes of a data directory before anything starts."""

from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict
from typer.testing import CliRunner

from harness.replicated import free_port
from harness.valkey import Valkey
from latchstring_gateway.cli.main import app
from latchstring_gateway.cli.serve import _goodbye_for, prepare
from latchstring_gateway.settings import Settings
from latchstring_gateway.tokens.keyring import KeyFileError, create_key_file

SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
GOOD = (
    '{"keys": [{"id": "tEst01", "state": "active", "created_at_ms": 1800000000000, "not_before_ms": 0, '
    f'"secret": "{SECRET}"}}]}}'
)


def settings(data_dir: Path, **changes: object) -> Settings:
    """Settings of this directory, independent of the environment's."""
    return Settings(**{"data_dir": data_dir, "store": "embedded", "keys_file": None, **changes})  # type: ignore[arg-type]


async def test_files_of_a_dead_childs_metrics_are_folded(tmp_path: Path) -> None:
    """They stayed until the next start: a crash loop filled the folder and slowed each scrape."""
    metrics = tmp_path / "run" / "metrics"
    metrics.mkdir(parents=True)
    goodbye = _goodbye_for(Settings(data_dir=tmp_path))
    for pid in range(5_000_000, 5_000_003):
        MmapedDict(str(metrics / f"counter_{pid}.db")).close()
        MmapedDict(str(metrics / f"gauge_livemax_{pid}.db")).close()
        await goodbye("shipper", pid)

    assert [file.name for file in metrics.iterdir()] == ["counter_folded.db"]


def test_a_new_directory_gets_keys_once(tmp_path: Path) -> None:
    """And a second start leaves them as they are."""
    chosen = settings(tmp_path / "data")
    prepare(chosen)
    made = chosen.keys_path.read_bytes()

    prepare(chosen)

    assert chosen.keys_path.read_bytes() == made
    assert chosen.keys_path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("trace", ["store", "journal", "warehouse"])
def test_lost_keys_are_never_replaced(tmp_path: Path, trace: str) -> None:
    """Beside anything of a gateway that has run, a missing key file is an error that says what to do."""
    (tmp_path / trace).mkdir()
    chosen = settings(tmp_path)

    with pytest.raises(KeyFileError, match="restore it from a backup"):
        prepare(chosen)

    assert not chosen.keys_path.exists()


def test_lost_keys_of_a_directory_that_ran_are_never_replaced(tmp_path: Path) -> None:
    """The same after a real first start, whose traces nobody removed."""
    chosen = settings(tmp_path)
    prepare(chosen)
    chosen.keys_path.unlink()

    with pytest.raises(KeyFileError, match="no such file"):
        prepare(chosen)

    assert not chosen.keys_path.exists()


@pytest.mark.parametrize("changes", [{"store": "redis://127.0.0.1:1"}, {"keys_file": "elsewhere.json"}])
def test_keys_that_others_bring_are_never_made(tmp_path: Path, changes: dict[str, str]) -> None:
    """With an outside store or a named key file, other hosts have the keys: a slow copy must start no second ring."""
    chosen = settings(
        tmp_path / "data", **{name: tmp_path / v if name == "keys_file" else v for name, v in changes.items()}
    )

    with pytest.raises(KeyFileError, match="no such file"):
        prepare(chosen)

    assert not chosen.keys_path.exists()


@pytest.mark.parametrize("text", ["", "zz", "0" * 63])
def test_a_key_of_pseudonyms_that_cannot_be_used_stops_the_start(tmp_path: Path, text: str) -> None:
    """Exit code 78, as docs/warehouse.md says: shipper, housekeeping and workers died again and again behind a
    supervisor that ran, and nothing answered.
    """
    chosen = settings(tmp_path)
    prepare(chosen)
    (tmp_path / "pseudonyms.key").write_text(text)

    ran = CliRunner().invoke(app, ["serve"], env={"LATCHSTRING_DATA_DIR": str(tmp_path)})

    assert ran.exit_code == 78
    assert "restore it from a backup" in ran.stderr
    assert (tmp_path / "pseudonyms.key").read_text() == text


def test_a_key_of_pseudonyms_that_is_missing_beside_a_warehouse_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new one was made without a word, and every visitor was a stranger then. Of a new directory nothing is said."""
    chosen = settings(tmp_path)
    prepare(chosen)
    assert capsys.readouterr().err == ""
    (tmp_path / "warehouse/commits").mkdir()
    (tmp_path / "warehouse/commits/AAAAAAAAAAAAAAAAAAAAAA.json").write_text("{}")

    prepare(chosen)

    assert "pseudonyms.key is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [
        ("", 0o600, "it is not JSON"),
        ("\x00garbage", 0o600, "it is not JSON"),
        (GOOD[: len(GOOD) // 2], 0o600, "it is not JSON"),
        (GOOD.replace(SECRET, SECRET[:-1]), 0o600, "expected 32 bytes"),
        (GOOD.replace('"active"', '"retired"'), 0o600, "there is no active key"),
        (GOOD, 0o644, "run `chmod 600"),
        (GOOD, 0o660, "run `chmod 600"),
    ],
    ids=["empty", "garbage", "half-written", "short secret", "no active key", "world-readable", "group-writable"],
)
def test_a_key_file_that_cannot_be_used_stops_the_start(tmp_path: Path, text: str, mode: int, told: str) -> None:
    """Exit code 78 and the remedy, the file untouched, no secret shown, nothing started."""
    path = tmp_path / "keys.json"
    path.write_text(text)
    path.chmod(mode)

    env = {"LATCHSTRING_DATA_DIR": str(tmp_path), "LATCHSTRING_STORE": "embedded", "LATCHSTRING_KEYS_FILE": None}
    ran = CliRunner().invoke(app, ["serve"], env=env)

    assert ran.exit_code == 78
    assert told in ran.stderr
    assert SECRET not in ran.output
    assert (path.read_text(), path.stat().st_mode & 0o777) == (text, mode)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["keys.json"]


@pytest.mark.store
def test_a_store_that_cannot_keep_the_promises_stops_the_start(
    tmp_path: Path, own_valkey: Callable[[], Valkey]
) -> None:
    """Exit code 78, every finding with its remedy, and no password."""
    server = own_valkey()
    with server.client() as client:
        client.config_set("maxmemory", "1gb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("appendfsync", "everysec")
        client.config_set("requirepass", "geheim")
    create_key_file(tmp_path / "keys.json")
    (tmp_path / "password").write_text("geheim\n")
    env = {
        "LATCHSTRING_DATA_DIR": str(tmp_path),
        "LATCHSTRING_STORE": server.url,
        "LATCHSTRING_STORE_PASSWORD_FILE": str(tmp_path / "password"),
    }

    ran = CliRunner().invoke(app, ["serve"], env=env)

    assert ran.exit_code == 78
    assert "LATCHSTRING_STORE: the store has maxmemory-policy allkeys-lru" in ran.stderr
    assert "warning: the store has appendfsync everysec" in ran.stderr
    assert "geheim" not in ran.output


@pytest.mark.store
@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("redis://:wrong@127.0.0.1:{port}", "AuthenticationError"),
        ("redis+cluster://:geheim@127.0.0.1:{port}", "cluster support disabled"),
    ],
)
def test_a_store_that_refuses_us_stops_the_start(
    tmp_path: Path, own_valkey: Callable[[], Valkey], way: str, told: str
) -> None:
    """It would refuse the workers too, and nobody but the operator can change that."""
    port = free_port()
    with own_valkey().client() as client:
        client.config_set("requirepass", "geheim")
        client.config_set("bind", "127.0.0.1")
        client.config_set("port", port)
    create_key_file(tmp_path / "keys.json")
    env = {"LATCHSTRING_DATA_DIR": str(tmp_path), "LATCHSTRING_STORE": way.format(port=port)}

    ran = CliRunner().invoke(app, ["serve"], env=env)

    assert ran.exit_code == 78
    assert ran.stderr.startswith("LATCHSTRING_STORE: ")
    assert told in ran.stderr
    assert "wrong" not in ran.output
    assert "geheim" not in ran.output
