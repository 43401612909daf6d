"""P1: without a live key nobody makes a token that opens, and a token opens only as, and while, it was sealed for."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

import pytest
from itsdangerous import Signer
from msgspec import msgpack
from msgspec.structs import asdict

from harness.evidence import Evidence, breaks, pick
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.hot_counts import HotCount
from latchstring_gateway.metrics import VERIFY
from latchstring_gateway.revocation.feed import Feed
from latchstring_gateway.revocation.receipt import WorkerRow
from latchstring_gateway.sessions.leases import Leases, Passports
from latchstring_gateway.sessions.verify import verify_handler
from latchstring_gateway.store.client import Store
from latchstring_gateway.tokens.codec import Codec, Refused
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import (
    AccessToken,
    BoundAccessToken,
    BoundRefreshToken,
    DeviceToken,
    Lease,
    OperatorCall,
    Payload,
    ProofNonce,
    RefreshToken,
    ReturnTo,
)
from latchstring_gateway.wire import Head

_TRIALS = pick(short=30_000, long=1_500_000)
_TRIALS_OF_A_RING = 300
_LEASE_TRIALS = pick(short=20_000, long=1_000_000)

pytestmark = [pytest.mark.store, pytest.mark.timeout(pick(short=180, long=900))]

_KINDS: tuple[type[Payload], ...] = (
    Lease,
    DeviceToken,
    ReturnTo,
    OperatorCall,
    AccessToken,
    RefreshToken,
    BoundAccessToken,
    BoundRefreshToken,
    ProofNonce,
)
_STATES = (KeyState.ACTIVE, KeyState.VERIFY_ONLY, KeyState.RETIRED)
_BASE64URL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_IDS = ("tEst01", "tEst02", "test01", "TEST01", "tEst", "tEst0123", "a-_b", "other1")
_NOW_MS = 1_800_000_000_000

P = TypeVar("P", bound=Payload)


class AnyPurpose(Codec):
    """The mistake `any-purpose`."""

    def open(self, token: bytes, kind: type[P]) -> P | Refused:
        """Under whatever purpose it was sealed."""
        answers: list[Any] = [super(AnyPurpose, self).open(token, one) for one in _KINDS]
        chosen: P | Refused = next((answer for answer in answers if not isinstance(answer, Refused)), answers[0])
        return chosen


class AnySpelling(Codec):
    """The mistake `any-spelling`."""

    def open(self, token: bytes, kind: type[P]) -> P | Refused:
        """What reads the same to a lenient decoder is the same."""
        head, dot, signature = token.rpartition(b".")
        try:
            spelled = urlsafe_b64encode(urlsafe_b64decode(signature + b"==")).rstrip(b"=")
        except ValueError:
            spelled = signature
        return super().open(head + dot + spelled, kind)


@dataclass
class Deployment:
    """A key ring, everything that was ever sealed under it, and what of that may open."""

    codec: Codec
    #: Each token with the kind that it may open as, or None.
    tokens: list[tuple[bytes, type[Payload] | None]]
    keys: list[RingKey]


def _deployment(chance: Random) -> Deployment:
    ids = chance.sample(_IDS, chance.randint(1, 5))
    states = [KeyState.ACTIVE, *chance.choices(_STATES, k=len(ids) - 1)]
    keys = [RingKey(key_id, state, 0, 0, chance.randbytes(32)) for key_id, state in zip(ids, states, strict=True)]
    # Keys of the same ids that are not in the ring: somebody else's, or this deployment's of last year.
    strangers = [RingKey(key_id, KeyState.ACTIVE, 0, 0, chance.randbytes(32)) for key_id in _IDS]
    tokens: list[tuple[bytes, type[Payload] | None]] = []
    for key in [*keys, *strangers]:
        live = key in keys and key.state is not KeyState.RETIRED
        tokens += [
            (_signed(key, content.purpose, msgpack.encode(content)), type(content) if live else None)
            for content in _contents(chance)
        ]
    if breaks("retired-keys"):
        keys = [RingKey(k.id, KeyState.ACTIVE, 0, 0, k.secret) for k in keys]
    ring = KeyRing.from_json(dump(keys), ManualClock())
    make = AnyPurpose if breaks("any-purpose") else AnySpelling if breaks("any-spelling") else Codec
    return Deployment(make(ring), tokens, keys)


def _contents(chance: Random) -> tuple[Payload, ...]:
    lease = _lease(chance, _NOW_MS, 300_000)
    of_a_tv = asdict(lease) | {"client": "tv-app"}
    thumbprint = chance.randbytes(32)
    return (
        lease,
        AccessToken(**of_a_tv),
        RefreshToken(**of_a_tv),
        BoundAccessToken(**of_a_tv, thumbprint=thumbprint),
        BoundRefreshToken(**of_a_tv, thumbprint=thumbprint),
        ProofNonce(_NOW_MS),
        DeviceToken(chance.randbytes(16), _NOW_MS),
        ReturnTo("/" + "x" * chance.randrange(80), _NOW_MS),
        OperatorCall("POST /v1/" + "x" * chance.randrange(80), _NOW_MS),
    )


def _lease(chance: Random, issued_at_ms: int, life_ms: int) -> Lease:
    return Lease(
        session=chance.randbytes(16),
        account=chance.choice(("ada", "ada@example.com", "A" * 64)),
        device=chance.randbytes(16),
        n=chance.choice((0, 1, 2**53 - 1)),
        generation=0,
        authenticated_at_ms=issued_at_ms,
        issued_at_ms=issued_at_ms,
        fresh_until_ms=issued_at_ms + life_ms,
        lease_end_ms=issued_at_ms + life_ms,
        remembered=chance.random() < 0.5,
        run=chance.randbytes(6),
    )


def _signed(key: RingKey, purpose: bytes, raw: bytes, **scheme: Any) -> bytes:
    made = {"salt": purpose, "sep": b".", "key_derivation": "hmac", "digest_method": hashlib.sha256, **scheme}
    body = b"v1." + key.id.encode() + b"." + urlsafe_b64encode(raw).rstrip(b"=")
    return Signer(key.secret, **made).sign(body)


# Attacks: each takes a token that somebody holds and another one, and makes something else of them.


def _flip(chance: Random, token: bytes, _other: bytes) -> bytes:
    altered = bytearray(token)
    altered[chance.randrange(len(token))] ^= 1 << chance.randrange(8)
    return bytes(altered)


def _replace(chance: Random, token: bytes, _other: bytes) -> bytes:
    at = chance.randrange(len(token))
    return token[:at] + bytes([chance.choice(_BASE64URL)]) + token[at + 1 :]


def _insert(chance: Random, token: bytes, _other: bytes) -> bytes:
    at = chance.randrange(len(token) + 1)
    return token[:at] + chance.choice((b"=", b"\n", b" ", b".", b"A", b"\0", b"%2E", b"\xe9", b"!")) + token[at:]


def _delete(chance: Random, token: bytes, _other: bytes) -> bytes:
    at = chance.randrange(len(token))
    return token[:at] + token[at + chance.randint(1, 3) :]


def _cut(chance: Random, token: bytes, _other: bytes) -> bytes:
    return token[: chance.randrange(len(token))]


def _splice(chance: Random, token: bytes, other: bytes) -> bytes:
    parts = [chance.choice(pair) for pair in zip(token.split(b"."), other.split(b"."), strict=False)]
    return b".".join(parts)


def _shift(chance: Random, token: bytes, _other: bytes) -> bytes:
    at = chance.choice([i for i, byte in enumerate(token) if byte == ord(".")] or [0])
    to = chance.randrange(len(token))
    without = token[:at] + token[at + 1 :]
    return without[:to] + b"." + without[to:]


def _respell_signature(chance: Random, token: bytes, _other: bytes) -> bytes:
    head, dot, signature = token.rpartition(b".")
    last = bytes([chance.choice(_BASE64URL)])
    standard = signature.replace(b"-", b"+").replace(b"_", b"/")
    return head + dot + chance.choice((signature[:-1] + last, signature + b"=", standard, signature + b"=A"))


def _respell_payload(chance: Random, token: bytes, _other: bytes) -> bytes:
    parts = token.split(b".")
    if len(parts) == 4:
        parts[2] = chance.choice((parts[2] + b"=", parts[2] + b"==", parts[2][:-1] + b"_", parts[2].lower()))
    return b".".join(parts)


def _other_version(chance: Random, token: bytes, _other: bytes) -> bytes:
    return token.replace(b"v1", chance.choice((b"v0", b"v2", b"V1", b"", b"v1.v1", b"none")), 1)


def _join(_chance: Random, token: bytes, other: bytes) -> bytes:
    return token + other


_ATTACKS: tuple[Callable[[Random, bytes, bytes], bytes], ...] = (
    _flip,
    _replace,
    _insert,
    _delete,
    _cut,
    _splice,
    _shift,
    _respell_signature,
    _respell_payload,
    _other_version,
    _join,
)
#: What a weaker signer of the same library makes, with the deployment's own secret: a downgrade.
_WEAKER: tuple[dict[str, Any], ...] = (
    {"digest_method": hashlib.sha1},
    {"key_derivation": "none"},
    {"key_derivation": "concat"},
    {"key_derivation": "django-concat"},
    {"salt": b""},
    {"salt": b"itsdangerous.Signer"},
)


def _attempt(chance: Random, deployment: Deployment) -> tuple[bytes, dict[bytes, type[Payload]]]:
    """Something to present, and the tokens that may open as it stands."""
    token, kind = chance.choice(deployment.tokens)
    way = chance.random()
    if way < 0.05:
        return token, {} if kind is None else {token: kind}
    if way < 0.15:
        key = chance.choice(deployment.keys)
        content = chance.choice(_contents(chance))
        return _signed(key, content.purpose, msgpack.encode(content), **chance.choice(_WEAKER)), {}
    other, other_kind = chance.choice(deployment.tokens)
    altered = token
    for attack in chance.choices(_ATTACKS, k=chance.choice((1, 1, 1, 2, 3))):
        altered = attack(chance, altered, other) or b"."
    return altered, {one: of for one, of in ((token, kind), (other, other_kind)) if of is not None}


@pytest.mark.parametrize("seed", range(pick(short=1, long=2)))
def test_no_forged_altered_or_respelled_token_opens(seed: int, evidence: Evidence) -> None:
    """Any ring, live, retired and foreign keys: only what a live key sealed opens, and as nothing but what it is."""
    chance = Random(seed)
    violations = opened = trial = 0
    deployment = _deployment(chance)
    for trial in evidence.trials(_TRIALS, seconds=30):
        if trial % _TRIALS_OF_A_RING == 0:
            deployment = _deployment(chance)
        presented, may_open = _attempt(chance, deployment)
        for kind in _KINDS:
            opens = not isinstance(deployment.codec.open(presented, kind), Refused)
            opened += opens
            violations += opens != (may_open.get(presented) is kind)

    assert opened > trial // 100, "good tokens are among them"
    evidence.row(
        promise="P1",
        tried="tokens forged, altered, spliced, re-spelled, downgraded, under random key rings, opened as each purpose",
        trials=trial + 1,
        violations=violations,
    )


async def test_a_lease_is_good_without_the_store_only_while_it_runs(evidence: Evidence) -> None:
    """Leases of any past and future, read by the hot handler at any moment: never accepted before or after its time."""
    chance = Random(0)
    clock = ManualClock(_NOW_MS)
    key = RingKey("tEst01", KeyState.ACTIVE, 0, 0, bytes(range(32)))
    ring = KeyRing.from_json(dump([key]), clock)
    store = Store("redis://127.0.0.1:1")
    feed = Feed(
        store,
        clock,
        worker="w",
        row=lambda: WorkerRow(1_000, "closed", 60_000, 0),
        lease_seconds=300,
        heartbeat_seconds=0.2,
        heard=lambda _worker, _ids: None,
    )
    leases = Leases(Codec(ring), ring, Passports(ring, issuer="", audience=""), lease_seconds=300)
    if breaks("leases-outlive-their-end"):
        leases = Leases(Codec(ring), ring, Passports(ring, issuer="", audience=""), lease_seconds=10**9)
    verify = verify_handler(leases, feed, clock, fresh_only=False, count=HotCount(VERIFY, "accepted"))
    violations = accepted = trials = 0
    for _ in evidence.trials(_LEASE_TRIALS, seconds=30):
        trials += 1
        age_ms = chance.choice((0, 150_000, 299_999, 300_000, 300_001, chance.randrange(-200_000, 2_000_000)))
        life_ms = chance.choice((1, 300_000, 300_000, 300_001, chance.randrange(10**9)))
        content = _lease(chance, _NOW_MS - age_ms, life_ms)
        feed.registry_link.fence.renew(clock.boot_ns(), _NOW_MS)
        cookie = b"__Host-session=" + leases.seal(content).token + b"; __Host-run=x"
        # An image may carry no cookie, so its lease is not renewed before its end.
        answer = verify(Head(b"GET", b"/verify", [(b"cookie", cookie), (b"sec-fetch-dest", b"image")], "127.0.0.1"))
        accepted += answer is not None
        # By the store's clock; one that lies further ahead than clocks may differ was not issued by us.
        runs = -30_000 <= age_ms < min(life_ms, 300_000)
        violations += answer is not None and not runs
    await store.close()

    assert accepted > trials // 20, "good leases are among them"
    evidence.row(
        promise="P1",
        tried="leases over, not yet begun or longer than the deployment's, shown to the hot handler",
        trials=trials,
        violations=violations,
    )
