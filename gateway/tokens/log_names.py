"""Names for logs: keyed hashes of ids, so that lines about one session can be found and nobody learns the id from them.

    k3Vx9q.Zt0YpQ1c3aUe    the id of a key of the ring, and 9 bytes of an HMAC under a key derived for this kind of id

The signing key names. When another key signs, what is named gets another name; `latchstring log-name` knows them all.
"""

import hmac
from typing import Final, Literal, TypeAlias

from ..ids import to_text
from .keyfile import RingKey
from .keyring import KeyRing

Named: TypeAlias = Literal["session", "device", "account"]

#: 72 bits: two of ten billion sessions share a name once in a hundred deployments.
_NAME_BYTES: Final = 9


class LogNames:
    """What the ids of a deployment are called in its logs."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def of(self, kind: Named, subject: str) -> str:
        """The name of an id, or of an account; 3 µs."""
        return log_name(self._ring.signing_key(), kind, subject)


def log_name(key: RingKey, kind: Named, subject: str) -> str:
    """The name under one key of the ring; the same subject has another name as another kind."""
    digest = hmac.digest(key.derive(b"name in logs: " + kind.encode()), subject.encode(), "sha256")
    return f"{key.id}.{to_text(digest[:_NAME_BYTES])}"
