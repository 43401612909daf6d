"""One revocation as the stream and the bell carry it.

    17 device 3q2-7wAAAAAAAAAAAAAAAA 0 1800000000123 1f.PLkv... 0Hf2...
    number kind subject generation at_ms revocation_id reply_to

`number` counts the partition's entries without a gap; `generation` matters for an account, signed out or disabled, and
for everybody; `reply_to` is the worker that waits for acknowledgements, or "-".
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

Kind: TypeAlias = Literal["device", "session", "account", "disable", "everybody"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A parsed entry.

    `subject` is a device id, a session id, an account, or the partition ("f3") whose accounts are all meant. A
    `disable` signs the account out as an `account` does, and can be given back to a store that has lost it.
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
    if "\ufffd" in text:
        raise ValueError("expected an entry in UTF-8")
    number, kind, subject, generation, at_ms, revocation_id, reply_to = text.split(" ")
    if kind not in get_args(Kind):
        raise ValueError(f"expected an entry of a kind in {', '.join(get_args(Kind))}")
    return Entry(int(number), cast(Kind, kind), subject, int(generation), int(at_ms), revocation_id, reply_to)
