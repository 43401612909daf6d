"""One revocation as the stream and the bell carry it.

    17 device 3q2-7wAAAAAAAAAAAAAAAA 0 1800000000123 1f.PLkv... 0Hf2...
    number kind subject generation at_ms revocation_id reply_to

`number` counts the partition's entries without a gap; `generation` matters for an account and for everybody; `reply_to`
is the worker that waits for acknowledgements, or "-".
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

Kind: TypeAlias = Literal["device", "session", "account", "everybody"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A parsed entry.

    `subject` is a device id, a session id, an account, or the partition ("f3") whose accounts are all meant.
    """

    number: int
    kind: Kind
    subject: str
    generation: int
    at_ms: int
    revocation_id: str
    reply_to: str


def parse(text: str) -> Entry:
    """Parse the seven words of an entry.

    Raises ValueError if there are not seven, a number is none, or the kind is unknown: the store was tampered with.
    """
    number, kind, subject, generation, at_ms, revocation_id, reply_to = text.split(" ")
    if kind not in ("device", "session", "account", "everybody"):
        raise ValueError("expected a device, session, account or everybody entry")
    return Entry(int(number), cast(Kind, kind), subject, int(generation), int(at_ms), revocation_id, reply_to)
