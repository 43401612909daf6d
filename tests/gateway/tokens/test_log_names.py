"""What ids are called in logs: the same each time, another for each kind and key, and not to be turned back."""

import hmac
from hashlib import sha256

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.ids import to_text
from latchstring_gateway.tokens.keyfile import RingKey, dump, new_key
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.log_names import LogNames, log_name
from latchstring_gateway.tokens.purposes import Lease

_ID = "EBESExQVFhcYGRobHB0eHw"


def test_a_name_is_the_hmac_that_is_described(test_key: RingKey) -> None:
    """Computed by hand from the bytes 0 to 31: anybody with the key file can find a session's lines."""
    key = hmac.digest(bytes(range(32)), b"name in logs: session", sha256)
    expected = to_text(hmac.digest(key, _ID.encode(), sha256)[:9])

    assert log_name(test_key, "session", _ID) == f"tEst01.{expected}"


def test_kinds_and_keys_have_names_of_their_own(test_key: RingKey) -> None:
    """Nobody can tell from a device's name the session's, and a new key gives new names."""
    other = new_key(0, not_before_ms=0)

    names = {log_name(key, kind, _ID) for key in (test_key, other) for kind in ("session", "device", "account")}

    assert len(names) == 6
    assert not [name for name in names if _ID in name]


def test_the_key_of_names_is_no_tokens_key(test_key: RingKey) -> None:
    """A name never says anything about a signature."""
    assert test_key.derive(b"name in logs: session") != test_key.derive(Lease.purpose)


def test_the_signing_key_names() -> None:
    """What verifies only is not used any more."""
    old, new = new_key(1, not_before_ms=0), new_key(2, not_before_ms=0)
    ring = KeyRing.from_json(dump([old, new]), ManualClock())

    assert LogNames(ring).of("device", _ID) == log_name(new, "device", _ID)
