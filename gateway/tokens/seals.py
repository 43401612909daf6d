"""A seal: a short signature beside a text that must stay readable, such as an id that other systems expect bare.

    k3Vx9q.Zt0YpQ1c3aUeB4mN8rS2wA    the id of the key, and 16 bytes of HMAC-SHA-256 under a key derived for the purpose

What may be sealed is a token (codec.py); this is for what cannot.
"""

import hmac
from typing import Final

from ..ids import to_text
from .keyfile import KeyState
from .keyring import KeyRing

_BYTES: Final = 16


class Seals:
    """Seals of one purpose; follows the ring."""

    def __init__(self, ring: KeyRing, purpose: bytes) -> None:
        self._ring = ring
        self._purpose = purpose
        self._version = 0
        self._keys: dict[bytes, bytes] = {}

    def of(self, text: bytes) -> bytes:
        """The seal of a text, by the key that signs now."""
        key_id = self._ring.signing_key().id.encode()
        return b"%b.%b" % (key_id, _digest(self._derived()[key_id], text))

    def fits(self, text: bytes, seal: bytes) -> bool:
        """Whether `seal` was made of this text, under a key that still verifies; never raises."""
        key_id, _, digest = seal.partition(b".")
        key = self._derived().get(key_id)
        return key is not None and hmac.compare_digest(_digest(key, text), digest)

    def is_current(self, seal: bytes) -> bool:
        """Whether a seal that fits is by the key that signs now, so that a new one would be the same."""
        return seal.partition(b".")[0] == self._ring.signing_key().id.encode()

    def _derived(self) -> dict[bytes, bytes]:
        if self._version != self._ring.version:
            self._keys = {
                key.id.encode(): key.derive(self._purpose)
                for key in self._ring.all_keys()
                if key.state is not KeyState.RETIRED
            }
            self._version = self._ring.version
        return self._keys


def _digest(key: bytes, text: bytes) -> bytes:
    return to_text(hmac.digest(key, text, "sha256")[:_BYTES]).encode()
