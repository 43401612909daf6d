"""A receipt in the words of its owner: what is signed out, who confirmed it, and from when it is certain."""

from dataclasses import dataclass
from datetime import tzinfo

from ..pages.words import clock_time, count, listing, span
from ..revocation.receipt import Receipt


@dataclass(frozen=True, slots=True)
class Told:
    """The sentence that comes first, and what else must be said."""

    complete: bool
    heading: str
    sentence: str
    certainty: list[str]


def tell(receipt: Receipt, names: list[str], zone: tzinfo) -> Told:
    """What a page says after `names` were removed."""
    subject = names[0] if len(names) == 1 else count(len(names), "device")
    are = "is" if len(names) == 1 else "are"
    extra = [] if receipt.durable else ["If all servers lost power in this very moment, you might have to do it again."]
    if receipt.status == "complete":
        proof = f"{receipt.applied} of {count(receipt.workers, 'server')} confirmed, {span(receipt.elapsed_ms)}"
        sentence = f"{subject} {are} signed out everywhere ({proof})."
        return Told(complete=True, heading="Signed out", sentence=sentence, certainty=extra)
    sentence = f"{subject} {are} signed out on {receipt.applied} of {count(receipt.workers, 'server')} so far."
    return Told(
        complete=False,
        heading="Signed out, almost everywhere",
        sentence=sentence,
        certainty=_open(receipt, zone) + extra,
    )


def _open(receipt: Receipt, zone: tzinfo) -> list[str]:
    """Who has not answered and until when it is open."""
    lines = []
    if receipt.missing:
        who = listing([one.worker for one in receipt.missing])
        have = "has" if len(receipt.missing) == 1 else "have"
        lines.append(f"{count(len(receipt.missing), 'server')} {have} not answered yet: {who}.")
    if receipt.certain_at_ms is not None:
        by = clock_time(receipt.certain_at_ms, zone)
        lines.append(f"It is certain everywhere by {by} at the latest. You need not do anything more.")
    return lines
