"""Which former device of its account a device looks like that is new to it: the same, likely the same, or none; why.

Nothing is ever signed in, let through or merged by it. It makes a hint on the devices page, and words in a notice.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from .signals import SIGNALS

Verdict: TypeAlias = Literal["same", "likely_same"]

#: Agreement from which on a device is likely the same.
_ENOUGH_BITS: Final = 12
#: And of what could be compared, this much agrees.
_ENOUGH_SHARE: Final = 0.7
#: How long a device must have been silent for another to be likely it: two that are in use are two.
SILENT_MS: Final = 86_400_000
#: One television of a model is like the next, wherever it stands: only an id of its own tells which it is.
_ALIKE_BY_NATURE: Final = frozenset(("tv", "console", "stick", "set_top", "speaker"))
#: More that look alike are told apart by nobody.
_MOST: Final = 8


class Likeness(Struct, frozen=True):
    """A former device, and the signals that agree, of those that could be compared."""

    device: Annotated[str, Meta(max_length=22)]
    verdict: Verdict
    agreed: tuple[str, ...]
    compared: int

    @property
    def reason(self) -> str:
        """For people: "seen 3 of 5: model, language, network"."""
        return f"seen {len(self.agreed)} of {self.compared}: {', '.join(self.agreed)}"

    def as_dict(self) -> dict[str, object]:
        """For an answer."""
        return {"device": self.device, "verdict": self.verdict, "reason": self.reason}


def likenesses(
    formers: Mapping[str, Mapping[str, bool]], *, kind: str, shared: frozenset[str] = frozenset()
) -> list[Likeness]:
    """The former devices, given by what they agree in, that a new device of a kind looks like.

    `shared` are signals whose value many accounts have shown: their agreement says nothing.
    """
    found = []
    for device, agreement in formers.items():
        counted = {name: agrees for name, agrees in agreement.items() if not (agrees and name in shared)}
        verdict = _verdict(counted, kind)
        if verdict is not None:
            agreed = tuple(name for name, agrees in counted.items() if agrees)
            found.append(Likeness(device, verdict, agreed, len(counted)))
    return found[:_MOST]


def told(
    likenesses: Sequence[Likeness], others_seen_ms: Mapping[str, int], *, first_seen_ms: int, last_seen_ms: int
) -> Likeness | None:
    """The one that a device, first and last seen then, is said to look like by now, if there is one.

    A former device that was used since the new one came is another one; one that is likely must have been silent for a
    day while the new one was used, and must be the only one. `others_seen_ms` tells when those that are still on the
    account were last seen.
    """
    silent = [one for one in likenesses if others_seen_ms.get(one.device, first_seen_ms + 1) <= first_seen_ms]
    same = [one for one in silent if one.verdict == "same"]
    if same:
        return max(same, key=lambda one: others_seen_ms[one.device])
    likely = [one for one in silent if last_seen_ms - others_seen_ms[one.device] >= SILENT_MS]
    return likely[0] if len(likely) == 1 else None


def _verdict(agreement: Mapping[str, bool], kind: str) -> Verdict | None:
    if any(not agrees and SIGNALS[name].is_lasting for name, agrees in agreement.items()):
        return None
    if any(agrees and SIGNALS[name].is_unique for name, agrees in agreement.items()):
        return "same"
    if kind in _ALIKE_BY_NATURE:
        return None
    comparable = {name: SIGNALS[name].bits for name in agreement if not SIGNALS[name].is_unique}
    bits = sum(bits for name, bits in comparable.items() if agreement[name])
    return "likely_same" if bits >= max(_ENOUGH_BITS, _ENOUGH_SHARE * sum(comparable.values())) else None
