"""Hardware ids: what may be known by one, and the keyed hash that is all that is ever kept of it.

    HMAC(HMAC(secret, "hardware id"), "living-room-app" NUL "ac55001722f1")     with the id of the key before it

Without the key file nobody finds the id behind a tag. The same id has another tag for another app, since each numbers
its devices as it likes, and under another key of the ring. A tag is a signal, never a credential: a whole product line
may share an id, and another may change it at every start.
"""

import hmac
import re
import unicodedata
from typing import Final

from ..ids import to_text
from .keyfile import KeyState, RingKey
from .keyring import KeyRing

_TAG_BYTES: Final = 16
#: "0000" and "0101" are no ids.
_FEWEST_DIFFERENT: Final = 3
_PURPOSE: Final = b"hardware id"
_PUNCTUATION: Final = re.compile(r"[\s:._{}-]")
#: What devices state that have nothing to state; among them what Android tells apps that may not know its radio's
#: address, and the id that a whole line of phones once shared.
_NOBODYS: Final = frozenset(
    {
        "unknown", "none", "null", "undefined", "default", "android", "serial", "serialnumber", "tobefilledbyoem",
        "notavailable", "n/a", "020000000000", "9774d56d682e549c", "1234", "12345", "123456", "1234567", "12345678",
        "123456789", "1234567890", "0123456789", "0123456789abcdef", "deadbeef",
    }
)  # fmt: skip


def normalised(hardware_id: str) -> str:
    """The one spelling of an id; empty if it says nothing of a device."""
    text = _PUNCTUATION.sub("", unicodedata.normalize("NFKC", hardware_id)).casefold()
    if not text.isprintable() or len(set(text)) < _FEWEST_DIFFERENT or text in _NOBODYS:
        return ""
    return text


def tag(key: RingKey, client: str, hardware_id: str) -> str:
    """What stands for a hardware id that an app stated; empty for one that says nothing."""
    text = normalised(hardware_id)
    if not text:
        return ""
    words = f"{client}\0{text}".encode()
    return f"{key.id}.{to_text(hmac.digest(key.derive(_PURPOSE), words, 'sha256')[:_TAG_BYTES])}"


def tags(ring: KeyRing, client: str, hardware_id: str) -> str:
    """Its tags under the signing key and the oldest that verifies, with a blank between them.

    Two devices are compared under a key that both have: the oldest outlives rotations. Both tags together stay short
    enough (64 bytes) for the store to keep a device's row in its compact form.
    """
    signing = ring.signing_key()
    good = [key for key in ring.all_keys() if key.state is not KeyState.RETIRED]
    oldest = min(good, key=lambda key: (key.created_at_ms, key.id))
    made = (tag(key, client, hardware_id) for key in dict.fromkeys((signing, oldest)))
    return " ".join(one for one in made if one)
