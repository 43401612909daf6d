"""Verified leases are remembered by their exact bytes, within bounds, and no longer than their key."""

from pathlib import Path

import pytest
from msgspec.structs import asdict, replace

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.sessions.leases import Leases, OpenLease, Passports, nobody
from latchstring_gateway.tokens.codec import Codec, Reason, Refused
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import AccessToken, BoundAccessToken, Lease

NOW_MS = 1_800_000_000_000
KEY = RingKey("tEst01", KeyState.ACTIVE, NOW_MS, NOW_MS, bytes(range(32)))
LEASE = Lease(
    session=bytes(16),
    account="ada",
    device=bytes(range(16)),
    n=1,
    generation=0,
    authenticated_at_ms=NOW_MS - 5_500,
    issued_at_ms=NOW_MS,
    fresh_until_ms=NOW_MS + 2_100_000,
    lease_end_ms=NOW_MS + 300_000,
    remembered=True,
    run=b"runrun",
)

TVS = AccessToken(**asdict(LEASE), client="app")
BOUND = BoundAccessToken(**asdict(TVS), thumbprint=bytes(32))


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    """A ring that follows a file."""
    path = tmp_path / "keys.json"
    path.touch(0o600)
    path.write_text(dump([KEY]))
    return KeyRing.load(path, ManualClock())


def _leases(ring: KeyRing, audience: str = "", **options: int) -> Leases:
    return Leases(Codec(ring), ring, Passports(ring, issuer="i", audience=audience), lease_seconds=300, **options)


def test_a_lease_is_verified_once_and_its_answers_are_built_once(ring: KeyRing) -> None:
    """The same object comes back, and the same reply for the same level and country."""
    leases = _leases(ring)
    token = Codec(ring).seal(LEASE)
    found = leases.find(token)

    assert isinstance(found, OpenLease)
    assert leases.find(bytes(bytearray(token))) is found
    assert found.reply(True, b"NL") is found.reply(True, b"NL")
    assert found.reply(True, b"NL").tail != found.reply(False, b"NL").tail
    assert found.reply(True, b"NL").tail == found.reply(True, b"SE").tail.replace(b"SE", b"NL")


def test_a_lease_that_is_shown_from_everywhere_keeps_few_answers(ring: KeyRing) -> None:
    """Each is a kilobyte, and an attacker has addresses in every country."""
    found = _leases(ring).find(Codec(ring).seal(LEASE))
    assert isinstance(found, OpenLease)

    for number in range(1_000):
        assert (b"x-latch-country", b"%d" % number) in found.reply(True, b"%d" % number).headers

    assert len(found.replies[True]) <= 8


def test_every_identity_header_is_there_with_and_without_passports(ring: KeyRing) -> None:
    """Blank where there is nothing to say; the same names as for nobody, in the same order."""
    token = Codec(ring).seal(LEASE)
    for audience in ("", "website"):
        found = _leases(ring, audience).find(token)
        assert isinstance(found, OpenLease)
        named = dict(found.identity(fresh=True))
        assert [name for name, _ in nobody(b"").headers[:6]] == list(named)
        assert named[b"x-latch-auth-time"] == b"1799999994"
        assert bool(named[b"x-latch-passport"]) is bool(audience)
    assert {value for _, value in nobody(b"NL").headers[:6]} == {b""}


def test_the_memory_is_bounded(ring: KeyRing) -> None:
    """However many leases come by; the one in use stays known."""
    leases, codec = _leases(ring, capacity=10), Codec(ring)
    used = codec.seal(LEASE)
    known = leases.find(used)
    for n in range(2, 100):
        line = b"__Host-session=" + codec.seal(replace(LEASE, n=n))
        leases.read_line(line)
        leases.read_authorization(b"Bearer " + codec.seal(replace(TVS, n=n)))
        assert leases.find(used) is known

    assert len(leases._young) + len(leases._old) <= 10
    assert len(leases.by_line) <= 5
    assert len(leases.by_authorization) <= 5


def test_a_retired_key_takes_its_remembered_leases_along(ring: KeyRing) -> None:
    """By token, by cookie line and by Authorization alike."""
    leases = _leases(ring)
    shown = b"Bearer " + Codec(ring).seal(TVS)
    token = Codec(ring).seal(LEASE)
    line = b"__Host-session=" + token
    assert leases.read_line(line) is not None
    assert leases.read_authorization(shown) is not None
    fresh = RingKey("tEst02", KeyState.ACTIVE, NOW_MS, NOW_MS, bytes(32))
    assert ring.path is not None
    ring.path.write_text(dump([replace_state(KEY), fresh]))
    assert ring.reload_if_changed()
    leases.refresh()

    assert leases.find(token) == Refused(Reason.RETIRED_KEY)
    assert leases.read_line(line) is None
    assert leases.read_authorization(shown) is None
    assert leases.by_line == leases.by_authorization == {}


def replace_state(key: RingKey) -> RingKey:
    """The key, retired."""
    return RingKey(key.id, KeyState.RETIRED, key.created_at_ms, key.not_before_ms, key.secret)


@pytest.mark.parametrize(
    ("issued_ms", "end_ms", "begins_ms", "ends_ms"),
    [
        (NOW_MS, NOW_MS + 300_000, NOW_MS - 30_000, NOW_MS + 300_000),
        (NOW_MS, NOW_MS + 3_600_000, NOW_MS - 30_000, NOW_MS + 300_000),
        (NOW_MS, NOW_MS - 1, NOW_MS - 30_000, NOW_MS - 1),
    ],
)
def test_a_lease_runs_no_longer_than_leases_of_this_deployment(
    ring: KeyRing, issued_ms: int, end_ms: int, begins_ms: int, ends_ms: int
) -> None:
    """One from a time when they were longer goes to the store, and it is due before it ends."""
    opened = _leases(ring).seal(replace(LEASE, issued_at_ms=issued_ms, lease_end_ms=end_ms))

    assert (opened.begins_at_ms, opened.ends_at_ms) == (begins_ms, ends_ms)
    assert opened.renew_at_ms <= opened.ends_at_ms


@pytest.mark.parametrize("line", [b"", b"a=b", b"__Host-session=x", b"x__Host-session=y"])
def test_a_line_without_a_lease_is_not_remembered(ring: KeyRing, line: bytes) -> None:
    """Hostile lines fill no memory."""
    leases = _leases(ring)

    assert leases.read_line(line) is None
    assert leases.by_line == {}


def test_what_is_good_as_a_bearer_is_good_nowhere_else(ring: KeyRing) -> None:
    """Nor is a cookie good as a bearer; seen before or not."""
    leases, codec = _leases(ring), Codec(ring)
    shown = b"Bearer " + codec.seal(TVS)
    found = leases.read_authorization(shown)
    cookie = b"__Host-session=" + codec.seal(LEASE)
    assert leases.read_line(cookie) is not None

    assert found is not None
    assert (found[0].account, found[1]) == ("ada", False)
    assert found[0].renew_at_ms == found[0].ends_at_ms, "nothing is renewed where it is shown"
    assert leases.read_line(shown) is None
    assert leases.read_line(b"__Host-session=" + shown) is None
    for authorization in (
        cookie,
        b"Bearer " + codec.seal(LEASE),
        b"Bearer " + codec.seal(BOUND),
        b"DPoP " + codec.seal(BOUND),
        b"DPoP " + codec.seal(TVS),
        b"Basic " + codec.seal(TVS),
        codec.seal(TVS),
        b"Bearer  " + codec.seal(TVS),
        b"Bearer",
        b"",
    ):
        assert leases.read_authorization(authorization) is None, authorization
    assert len(leases.by_authorization) == 1
