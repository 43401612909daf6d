"""A published test key, a ring of it, and tokens made with it."""

from collections.abc import Callable
from hashlib import sha256

import pytest
from itsdangerous import Signer

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import DeviceToken, Lease, Payload, ReturnTo

MINUTE_MS = 60_000


@pytest.fixture(scope="session")
def test_key() -> RingKey:
    """The key of the worked example in docs/tokens.md: its secret is the bytes 0 to 31. Never use it."""
    return RingKey("tEst01", KeyState.ACTIVE, 1_800_000_000_000, 1_800_000_000_000, bytes(range(32)))


@pytest.fixture(scope="session")
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock()


@pytest.fixture(scope="session")
def ring(test_key: RingKey, clock: ManualClock) -> KeyRing:
    """A ring of the test key."""
    return KeyRing.from_json(dump([test_key]), clock)


@pytest.fixture(scope="session")
def codec(ring: KeyRing) -> Codec:
    """The codec under test."""
    return Codec(ring)


@pytest.fixture(scope="session")
def lease() -> Lease:
    """The lease of the worked example in docs/tokens.md."""
    now_ms = 1_800_000_000_000
    return Lease(
        session=bytes(range(0x10, 0x20)),
        account="ada@example.com",
        device=bytes(range(0x20, 0x30)),
        n=7,
        generation=0,
        authenticated_at_ms=now_ms - 90 * MINUTE_MS,
        issued_at_ms=now_ms,
        fresh_until_ms=now_ms + 30 * MINUTE_MS,
        lease_end_ms=now_ms + 5 * MINUTE_MS,
        remembered=True,
        run=b"runrun",
    )


@pytest.fixture(scope="session")
def examples(lease: Lease) -> tuple[Payload, ...]:
    """One payload of each purpose."""
    return (lease, DeviceToken(b"b" * 16, 1_800_000_000_000), ReturnTo("/watch?title=7", 1_800_000_000_000))


@pytest.fixture(scope="session")
def signer() -> Callable[[RingKey, bytes], Signer]:
    """The oracle: itsdangerous' own signer for a key and a purpose."""

    def make(key: RingKey, purpose: bytes) -> Signer:
        return Signer(key.secret, salt=purpose, sep=b".", key_derivation="hmac", digest_method=sha256)

    return make
