"""The signals of a device, what each is worth and for how long, and the tags that stand for them in a device's row.

    fp:network    k3Vx9q.Zt0YpQ1c.20833     id of a key of the ring, tag, the day since 1970 on which it was last seen

A tag is 6 bytes, enough to tell the few devices of an account apart, of HMAC(HMAC(secret, "fingerprint: network"),
account NUL value): one for each signal, so that what is known of one says nothing about another; the same value has
another tag in another account, and under another key. What is kept is compared under the key it was kept under, for as
long as that key is in the file.

A hardware id comes as tags already (tokens/hardware.py); they lie in the field `hardware` while the device is there.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..ids import to_text
from ..tokens.keyfile import RingKey
from ..tokens.keyring import KeyRing

#: What stands before a signal's name in a device's row.
FIELD: Final = "fp:"
HARDWARE: Final = "hardware"
_TAG_BYTES: Final = 6
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Signal:
    """What the agreement of a signal is worth, in bits, between two devices of one account, and how long it is kept.

    `is_unique`: no two devices have the same, unless it is a whole product line's. `is_lasting`: a device keeps it for
    life, so that two values are two devices.
    """

    bits: int
    days: int
    is_unique: bool = False
    is_lasting: bool = False


#: Bits are low where the devices of a household agree anyway: language and network tell it from the street, not the
#: laptop from the laptop. Measured in docs/fingerprint.md.
SIGNALS: Final[Mapping[str, Signal]] = {
    HARDWARE: Signal(bits=24, days=400, is_unique=True, is_lasting=True),
    "installation": Signal(bits=24, days=400, is_unique=True),
    "kind": Signal(bits=1, days=400, is_lasting=True),
    "model": Signal(bits=5, days=400, is_lasting=True),
    "system": Signal(bits=2, days=400, is_lasting=True),
    "client": Signal(bits=2, days=400, is_lasting=True),
    "hints": Signal(bits=4, days=90),
    "tls": Signal(bits=3, days=60),
    "language": Signal(bits=2, days=180),
    "network": Signal(bits=2, days=30),
}


class Observed(NamedTuple):
    """The signals of one device now, blank where there is none. `kind`, `model`, `system`, `client` are as recognised.

    `hardware` are the tags of what a TV app states; `installation` is an id that the website's app keeps on the device;
    `tls` is the JA4 fingerprint of its TLS stack.
    """

    hardware: str = ""
    installation: str = ""
    kind: str = ""
    model: str = ""
    system: str = ""
    client: str = ""
    hints: str = ""
    tls: str = ""
    language: str = ""
    network: str = ""

    def known(self) -> dict[str, str]:
        """The signals that there are, by name."""
        return {name: value for name, value in self._asdict().items() if value}


#: Of a device of which nothing is known.
NOT_OBSERVED: Final = Observed()


def tag(key: RingKey, account: str, name: str, value: str) -> str:
    """What stands for a signal's value in an account; see the module."""
    digest = hmac.digest(key.derive(b"fingerprint: " + name.encode()), f"{account}\0{value}".encode(), "sha256")
    return to_text(digest[:_TAG_BYTES])


def fields_of(key: RingKey, account: str, observed: Observed, *, now_ms: int) -> dict[str, str]:
    """What a device's row is to hold of it."""
    fields = {}
    for name, value in observed.known().items():
        if name != HARDWARE:
            fields[FIELD + name] = f"{key.id}.{tag(key, account, name, value)}.{now_ms // _DAY_MS}"
    return fields


def agreement(
    ring: KeyRing, account: str, observed: Observed, row: Mapping[str, str], *, now_ms: int
) -> dict[str, bool]:
    """For each signal that is known of both and whose time is not over, whether the device in `row` has the same."""
    agreed = {}
    for name, value in observed.known().items():
        if name == HARDWARE:
            same = _same_tags(value, row.get(HARDWARE, ""))
        else:
            same = _same(ring, account, name, value, row.get(FIELD + name, ""), now_ms)
        if same is not None:
            agreed[name] = same
    return agreed


def _same(ring: KeyRing, account: str, name: str, value: str, kept: str, now_ms: int) -> bool | None:
    """Whether a kept tag is of the value; None if there is none, its time is over, or its key is gone."""
    key_id, _, rest = kept.partition(".")
    former, _, seen_day = rest.partition(".")
    key = ring.get(key_id)
    if key is None or now_ms // _DAY_MS - int(seen_day) >= SIGNALS[name].days:
        return None
    return hmac.compare_digest(tag(key, account, name, value), former)


def _same_tags(one: str, other: str) -> bool | None:
    """Whether two lists of tags are of one id; None if they have no key in common."""
    tags, others = (dict(each.split(".", 1) for each in text.split()) for text in (one, other))
    common = tags.keys() & others.keys()
    return any(tags[key_id] == others[key_id] for key_id in common) if common else None
