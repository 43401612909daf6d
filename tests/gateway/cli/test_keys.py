"""`latchstring keys` and `latchstring inspect`, run as a person runs them."""

import json
import re
from pathlib import Path

import pytest
import typer
from msgspec.structs import asdict
from typer.testing import CliRunner, Result

from latchstring_gateway.cli import inspect_token, keys
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.tokens import purposes
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import AccessToken, BoundRefreshToken, DeviceToken, Lease, ReturnTo


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An empty data directory."""
    return tmp_path / "data"


class Latchstring:
    """The command, on one data directory; checks after each run that no secret was printed."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.app = typer.Typer()
        keys.register(self.app)
        inspect_token.register(self.app)

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> Result:
        """Run one command line."""
        environment = {"LATCHSTRING_DATA_DIR": str(self.data), "COLUMNS": "200", "LATCHSTRING_KEYS_FILE": None}
        result = CliRunner().invoke(self.app, list(arguments), input=stdin, env=environment)
        text = self.file.read_text() if self.file.exists() else ""
        for secret in re.findall(r'"secret": "([^"]+)"', text):
            assert secret not in result.output
        return result

    @property
    def file(self) -> Path:
        """The default key file."""
        return self.data / "keys.json"

    def ring(self) -> KeyRing:
        """The keys as a worker would load them."""
        return KeyRing.load(self.file, SystemClock())


@pytest.fixture
def latchstring(data: Path) -> Latchstring:
    """The command on that directory."""
    return Latchstring(data)


def lease(now_ms: int, *, lease_end_ms: int) -> Lease:
    """A lease that ends then."""
    return Lease(
        session=b"s" * 16,
        account="ada@example.com",
        device=b"d" * 16,
        n=1,
        generation=0,
        authenticated_at_ms=now_ms - 7_260_000,
        issued_at_ms=now_ms,
        fresh_until_ms=now_ms + 1,
        lease_end_ms=lease_end_ms,
        remembered=True,
        run=b"r" * 6,
    )


class TestKeys:
    """list, rotate, retire."""

    def test_init_makes_the_file_once(self, latchstring: Latchstring) -> None:
        """It is private to its owner, and a second time it stays as it is."""
        result = latchstring("keys", "init")
        before = latchstring.file.read_bytes()
        again = latchstring("keys", "init", "--everybody-signs-in-again")

        assert result.exit_code == 0
        assert "made" in result.stdout
        assert latchstring.file.stat().st_mode & 0o777 == 0o600
        assert again.exit_code == 1
        assert "there is one already" in again.stderr
        assert latchstring.file.read_bytes() == before

    @pytest.mark.parametrize("trace", ["store", "journal", "warehouse"])
    def test_init_beside_a_used_directory_must_be_meant(self, latchstring: Latchstring, trace: str) -> None:
        """A lost key file is restored; new keys only when the person says what that does."""
        (latchstring.data / trace).mkdir(parents=True)

        refused = latchstring("keys", "init")
        made_by_refused = latchstring.file.exists()
        meant = latchstring("keys", "init", "--everybody-signs-in-again")

        assert (refused.exit_code, made_by_refused) == (1, False)
        assert "restore it from a backup" in refused.stderr
        assert meant.exit_code == 0
        assert latchstring.ring().known_ids()

    def test_rotation_makes_no_file(self, latchstring: Latchstring) -> None:
        """A job that rotates every month must not replace a lost key file by a new one."""
        result = latchstring("keys", "rotate")

        assert result.exit_code == 1
        assert "restore it from a backup" in result.stderr
        assert not latchstring.file.exists()

    def test_list_shows_age_state_and_who_signs(self, latchstring: Latchstring) -> None:
        """The table has a line for each key and says which signs and when the next will."""
        latchstring("keys", "init")
        latchstring("keys", "rotate", "--in", "300")
        old, new = (key.id for key in latchstring.ring().all_keys())

        lines = latchstring("keys", "list").stdout.splitlines()

        assert any(re.search(rf"{old}\s+active\s+\d+ s\s+now", line) for line in lines)
        assert any(re.search(rf"{new}\s+active\s+\d+ s\s+in (4 min 5\d s|5 min)", line) for line in lines)

    def test_list_as_json(self, latchstring: Latchstring) -> None:
        """A script gets the same facts as JSON, without secrets."""
        latchstring("keys", "init")

        document = json.loads(latchstring("keys", "list", "--json").stdout)

        assert document["keys_file"] == str(latchstring.file)
        (row,) = document["keys"]
        assert set(row) == {"id", "state", "created_at_ms", "not_before_ms", "signs"}
        assert row["signs"] is True

    def test_retire_and_its_refusals(self, latchstring: Latchstring) -> None:
        """The last active key is refused with status 1; with a successor it is retired."""
        latchstring("keys", "init")
        old = latchstring.ring().signing_key().id

        refused = latchstring("keys", "retire", old)
        latchstring("keys", "rotate", "--in", "0")
        retired = latchstring("keys", "retire", old)

        assert (refused.exit_code, retired.exit_code) == (1, 0)
        assert "last active key" in refused.stderr
        assert old not in latchstring.ring().known_ids()

    def test_retire_verify_only(self, latchstring: Latchstring) -> None:
        """A key can stop signing while what it signed stays good."""
        latchstring("keys", "init")
        old = latchstring.ring().signing_key()
        latchstring("keys", "rotate", "--in", "0")

        latchstring("keys", "retire", old.id, "--verify-only")

        changed = latchstring.ring().get(old.id)
        assert changed is not None
        assert changed.state is KeyState.VERIFY_ONLY
        assert old.id in latchstring.ring().known_ids()

    def test_keys_file_option_wins(self, latchstring: Latchstring, tmp_path: Path) -> None:
        """`--keys-file` names another file than the data directory's."""
        other = tmp_path / "other.json"

        result = latchstring("keys", "init", "--keys-file", str(other))

        assert result.exit_code == 0
        assert other.exists()
        assert not latchstring.file.exists()

    @pytest.mark.parametrize(
        "command", [["keys", "list"], ["keys", "rotate"], ["keys", "retire", "aaaa"], ["inspect", "v1.a.b.c"]]
    )
    def test_missing_key_file_names_the_remedy(self, latchstring: Latchstring, command: list[str]) -> None:
        """Every command says on stderr what to do where there is no key file, with status 1."""
        result = latchstring(*command)

        assert result.exit_code == 1
        assert "`latchstring keys init`" in result.stderr


class TestInspect:
    """inspect TOKEN."""

    @pytest.fixture(autouse=True)
    def _key_file(self, latchstring: Latchstring) -> None:
        latchstring("keys", "init")

    @pytest.mark.parametrize("by_stdin", [True, False])
    def test_good_lease(self, latchstring: Latchstring, by_stdin: bool) -> None:
        """A good lease shows purpose, key, fields, times in words, and the verdict."""
        now_ms = SystemClock().wall_ms()
        token = Codec(latchstring.ring()).seal(lease(now_ms, lease_end_ms=now_ms + 250_000))

        result = (
            latchstring("inspect", "-", stdin=token + b"\n") if by_stdin else latchstring("inspect", token.decode())
        )

        assert result.exit_code == 0
        for words in ("session lease", latchstring.ring().signing_key().id, "ada@example.com", "2 h 1 min ago"):
            assert words in result.stdout
        assert "the lease ends in 4 min" in result.stdout

    def test_ended_lease(self, latchstring: Latchstring) -> None:
        """A lease that is over opens all the same, and the verdict says so."""
        now_ms = SystemClock().wall_ms()
        token = Codec(latchstring.ring()).seal(lease(now_ms - 400_000, lease_end_ms=now_ms - 100_000))

        result = latchstring("inspect", token.decode())

        assert result.exit_code == 0
        assert "the lease ended 1 min 40 s ago" in result.stdout

    def test_lease_from_the_future(self, latchstring: Latchstring) -> None:
        """A lease that is dated ahead of this machine's clock opens, and the verdict points at the clocks."""
        later_ms = SystemClock().wall_ms() + 7_300_000
        token = Codec(latchstring.ring()).seal(lease(later_ms, lease_end_ms=later_ms + 300_000))

        result = latchstring("inspect", token.decode())

        assert result.exit_code == 0
        assert "dated 2 h 1 min ahead of this machine's clock" in result.stdout

    def test_whole_cookie_and_other_purposes(self, latchstring: Latchstring) -> None:
        """A pasted `name=value` is taken, and every purpose is recognised."""
        codec = Codec(latchstring.ring())
        device = b"__Host-device=" + codec.seal(DeviceToken(b"b" * 16, 0))

        assert "device token" in latchstring("inspect", "-", stdin=device).stdout
        target = latchstring("inspect", codec.seal(ReturnTo("/a?b=[red]x[/red]", 0)).decode()).stdout
        assert "/a?b=[red]x[/red]" in target

    def test_tokens_of_tvs(self, latchstring: Latchstring) -> None:
        """They are told apart, with the key that they are bound to, and what follows when one is over."""
        now_ms = SystemClock().wall_ms()
        said = asdict(lease(now_ms - 400_000, lease_end_ms=now_ms - 100_000))
        seal = Codec(latchstring.ring()).seal
        access = latchstring("inspect", seal(AccessToken(**said, client="app")).decode()).stdout
        refresh = latchstring("inspect", seal(BoundRefreshToken(**said, client="app", thumbprint=bytes(32))).decode())

        assert "access token of a TV" in access
        assert "the app exchanges its refresh token" in access
        assert "bound to the key" in refresh.stdout
        assert "A" * 43 in refresh.stdout
        assert "ended" not in refresh.stdout, "it is good for as long as its sign-in"

    def test_every_purpose_is_known(self) -> None:
        """Whatever the gateway seals can be looked at."""
        known = {kind.__name__ for kind in inspect_token._NAMES}
        sealed = {
            name
            for name, kind in vars(purposes).items()
            if isinstance(kind, type) and issubclass(kind, purposes.Payload) and kind.purpose
        }

        assert known == sealed

    def test_refusals(self, latchstring: Latchstring) -> None:
        """Each kind of bad token is refused with status 1, the reason's name and what it means."""
        token = Codec(latchstring.ring()).seal(DeviceToken(b"b" * 16, 0)).decode()
        cases = {
            "malformed": "hello",
            "it looks like a JWT": "eyJh.eyJi.c",
            "not_canonical": token + "=",
            "bad_signature": token[:-10] + "A" * 10,
            "unknown_key": "v1.nobody." + token.split(".", 2)[2],
        }

        for expected, bad in cases.items():
            result = latchstring("inspect", bad)

            assert result.exit_code == 1
            assert expected in result.stdout

    def test_retired_key(self, latchstring: Latchstring) -> None:
        """A token of a retired key is refused as such."""
        ring = latchstring.ring()
        token = Codec(ring).seal(DeviceToken(b"b" * 16, 0)).decode()
        gone = ring.signing_key()
        retired = RingKey(gone.id, KeyState.RETIRED, gone.created_at_ms, gone.not_before_ms, gone.secret)
        latchstring.file.write_text(dump([retired, RingKey("other1", KeyState.ACTIVE, 0, 0, b"o" * 32)]))

        result = latchstring("inspect", token)

        assert result.exit_code == 1
        assert "retired_key" in result.stdout

    @pytest.mark.parametrize("junk", [b"", b"\xff\xfe\x00", b"\x1b[31m", b"v1." + b"A" * 70_000])
    def test_junk_on_stdin(self, latchstring: Latchstring, junk: bytes) -> None:
        """Junk is refused without a traceback and is not echoed to the terminal."""
        result = latchstring("inspect", "-", stdin=junk)

        assert result.exit_code == 1
        assert "malformed" in result.stdout
        assert "\x1b[31m" not in result.stdout

    def test_help_recommends_stdin(self, latchstring: Latchstring) -> None:
        """The help warns that a token on the command line is visible to others."""
        text = latchstring("inspect", "--help").stdout

        assert "visible to every user" in " ".join(text.split())
