"""A receipt in the words of its owner: what is signed out, who confirmed it, and from when it is certain."""

from dataclasses import dataclass
from datetime import tzinfo

from ..pages.language import Language, isolated
from ..pages.words import clock_time, listing, span
from ..revocation.receipt import Receipt


@dataclass(frozen=True, slots=True)
class Told:
    """The sentence that comes first, and what else must be said."""

    complete: bool
    heading: str
    sentence: str
    certainty: list[str]


def tell(receipt: Receipt, names: list[str], language: Language, zone: tzinfo) -> Told:
    """What a page says after `names` were removed."""
    complete = receipt.status == "complete"
    extra: list[str] = []
    if not receipt.durable:
        extra.append(language.gettext("If all servers lost power in this very moment, you might have to do it again."))
    return Told(
        complete=complete,
        heading=language.gettext("Signed out") if complete else language.gettext("Signed out, almost everywhere"),
        sentence=_everywhere(receipt, names, language) if complete else _so_far(receipt, names, language),
        certainty=extra if complete else [*_open(receipt, language, zone), *extra],
    )


def _everywhere(receipt: Receipt, names: list[str], language: Language) -> str:
    proof = language.ngettext(
        "%(applied)s of %(num)s server confirmed, %(span)s",
        "%(applied)s of %(num)s servers confirmed, %(span)s",
        receipt.workers,
        applied=receipt.applied,
        span=span(receipt.elapsed_ms, language),
    )
    if len(names) == 1:
        return language.gettext(
            "%(device)s is signed out everywhere (%(proof)s).", device=isolated(names[0]), proof=proof
        )
    return language.ngettext(
        "%(num)s device is signed out everywhere (%(proof)s).",
        "%(num)s devices are signed out everywhere (%(proof)s).",
        len(names),
        proof=proof,
    )


def _so_far(receipt: Receipt, names: list[str], language: Language) -> str:
    servers = language.ngettext(
        "%(applied)s of %(num)s server", "%(applied)s of %(num)s servers", receipt.workers, applied=receipt.applied
    )
    if len(names) == 1:
        return language.gettext(
            "%(device)s is signed out on %(servers)s so far.", device=isolated(names[0]), servers=servers
        )
    return language.ngettext(
        "%(num)s device is signed out on %(servers)s so far.",
        "%(num)s devices are signed out on %(servers)s so far.",
        len(names),
        servers=servers,
    )


def _open(receipt: Receipt, language: Language, zone: tzinfo) -> list[str]:
    """Who has not answered and until when it is open."""
    lines: list[str] = []
    silent = [one.worker for one in receipt.missing if one.why == "silent"]
    if silent:
        lines.append(
            language.ngettext(
                "%(num)s server has not answered yet: %(names)s.",
                "%(num)s servers have not answered yet: %(names)s.",
                len(silent),
                names=listing([isolated(worker) for worker in silent], language),
            )
        )
    if receipt.certain_at_ms is not None:
        by = clock_time(receipt.certain_at_ms, language, zone)
        lines.append(
            language.gettext(
                "It is certain everywhere by %(time)s at the latest. You need not do anything more.", time=by
            )
        )
    return lines
