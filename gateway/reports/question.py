"""What may be asked of the reports, checked; the same words in a URL's query and on the command line."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias, get_args
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from ..errors import BadRequest
from ..shipping.page_address import readable
from . import zones

Report: TypeAlias = Literal["pages", "funnel", "clicks", "viewing", "mail", "audience", "live"]
REPORTS: Final[tuple[str, ...]] = get_args(Report)

#: What each report may be broken down by; the first is the default, the second set what partners may have: tables of
#: which none is part of another, so that none can be subtracted from another.
BREAKDOWNS: Final[dict[str, tuple[str, ...]]] = {
    "pages": ("page",),
    "funnel": ("step",),
    "clicks": ("link", "page", "campaign"),
    "viewing": ("title", "device", "country", "day", "hour", "weekday"),
    "mail": ("campaign", "message"),
    "audience": ("day", "country", "device", "campaign"),
    "live": ("minute",),
}
FOR_PARTNERS: Final[dict[str, tuple[str, ...]]] = {
    "pages": ("page",),
    "clicks": ("link",),
    "viewing": ("title",),
    "mail": ("campaign",),
    "audience": ("country", "device"),
}
#: Days up to today that a report covers unless told.
DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 3_660
MAX_LIMIT: Final = 1_000
MAX_STEPS: Final = 8
MAX_WITHIN_HOURS: Final = 24 * 30

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTH: Final = re.compile(r"\d{4}-\d{2}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_DEVICE: Final = re.compile(r"[a-z_]{1,32}")
_STEP: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\-]{0,63}?(:/.{0,1024})?", re.DOTALL)
_MAX_CAMPAIGN_CHARS: Final = 200
#: Every name that may be asked; of `step` several.
NAMES: Final = frozenset(
    {
        "from",
        "to",
        "days",
        "country",
        "device",
        "campaign",
        "by",
        "limit",
        "step",
        "within_hours",
        "partner",
        "month",
        "format",
        "time_zone",
    }
)


class Question(Struct, frozen=True):
    """One question. Days are of receipt, both included; a country, device or campaign narrows it if given."""

    report: str
    first_day: date
    last_day: date
    by: str
    country: str | None = None
    device: str | None = None
    campaign: str | None = None
    limit: int = 20
    #: "view:/watch/*": a type, and if wanted a page; a star at its end stands for whatever follows.
    steps: tuple[str, ...] = ()
    within_hours: int = 24 * 7
    #: Below so many people a row is withheld; 0: the answer is not for partners.
    partner_people: int = 0
    #: Of days and hours: an IANA name.
    time_zone: str = zones.DEFAULT
    #: Whether /a/ is the page /a.
    drops_slash: bool = False

    @property
    def begin_ms(self) -> int:
        """When its first day begins, in its time zone."""
        return zones.begin_ms(self.first_day, zones.zone_named(self.time_zone))

    @property
    def end_ms(self) -> int:
        """When the day after its last begins."""
        return zones.begin_ms(self.last_day + timedelta(days=1), zones.zone_named(self.time_zone))


class Defaults(NamedTuple):
    """What the operator has set for all questions."""

    partner_people: int = 0
    time_zone: str = zones.DEFAULT
    drops_slash: bool = False


def question(
    report: str,
    asked: Mapping[str, Sequence[str]],
    *,
    now_ms: int,
    partner_people: int,
    time_zone: str = zones.DEFAULT,
    drops_slash: bool = False,
) -> Question:
    """The question that `asked` puts, by name all values that were given; the others are what is set.

    Raises BadRequest, `bad_question`; the detail says what was expected and repeats nothing.
    """
    for name, values in asked.items():
        if name not in NAMES:
            raise _bad(f"expected only {', '.join(sorted(NAMES))}")
        if name != "step" and len(values) != 1:
            raise _bad(f"expected {name} once")
    one = {name: values[0] for name, values in asked.items() if name != "step"}
    zone = _zone(one, time_zone)
    today = zones.today_in(zone, now_ms)
    first_day, last_day = _days(one, today)
    by = one.get("by", BREAKDOWNS[report][0])
    if by not in BREAKDOWNS[report]:
        raise _bad(f"expected by to be one of {', '.join(BREAKDOWNS[report])}")
    found = Question(
        report=report,
        first_day=first_day,
        last_day=last_day,
        by=by,
        country=_matching(one, "country", _COUNTRY, "two capital letters (ISO 3166-1)"),
        device=_matching(one, "device", _DEVICE, "a device kind such as tv"),
        campaign=_campaign(one),
        limit=_whole(one, "limit", 20, MAX_LIMIT),
        steps=_steps(report, asked.get("step", ())),
        within_hours=_whole(one, "within_hours", 24 * 7, MAX_WITHIN_HOURS),
        time_zone=zone.key,
        drops_slash=drops_slash,
    )
    if "partner" not in one:
        return found
    if zone.key != time_zone:
        # Of two zones the same month differs by hours, which could be told by subtraction.
        raise _bad("expected no time_zone but the one that is set: partners may have no other span")
    return _for_partners(found, one, today, partner_people)


def _zone(one: Mapping[str, str], default: str) -> ZoneInfo:
    try:
        return zones.zone_named(one.get("time_zone", default))
    except ValueError:
        raise _bad("expected time_zone to be an IANA name such as Europe/Amsterdam") from None


def _days(one: Mapping[str, str], today: date) -> tuple[date, date]:
    if len(one.keys() & {"month", "from", "days"}) > 1 or one.keys() >= {"month", "to"}:
        raise _bad("expected month alone, or to with either from or days")
    if "month" in one:
        return _month(one["month"])
    last = _day(one, "to") or today
    days = timedelta(days=_whole(one, "days", DEFAULT_DAYS, MAX_DAYS) - 1)
    first = _day(one, "from") or last - min(days, last - date.min)
    if first > last:
        raise _bad("expected from to be no later than to")
    return first, last


def _day(one: Mapping[str, str], name: str) -> date | None:
    if name not in one:
        return None
    try:
        if _DAY.fullmatch(one[name]):
            return date.fromisoformat(one[name])
    except ValueError:
        pass
    raise _bad(f"expected {name} to be a day such as 2026-11-24")


def _month(text: str) -> tuple[date, date]:
    try:
        if _MONTH.fullmatch(text):
            first = date.fromisoformat(f"{text}-01")
            return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    except (ValueError, OverflowError):
        pass
    raise _bad("expected month such as 2026-10")


def _matching(one: Mapping[str, str], name: str, pattern: re.Pattern[str], expected: str) -> str | None:
    if name in one and not pattern.fullmatch(one[name]):
        raise _bad(f"expected {name} to be {expected}")
    return one.get(name)


def _campaign(one: Mapping[str, str]) -> str | None:
    name = one.get("campaign")
    if name is not None and not (0 < len(name) <= _MAX_CAMPAIGN_CHARS and name.isprintable()):
        raise _bad(f"expected campaign to be 1 to {_MAX_CAMPAIGN_CHARS} printable characters")
    return name


def _whole(one: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = one.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= most):
        raise _bad(f"expected {name} to be a whole number from 1 to {most}")
    return int(text)


def _steps(report: str, steps: Sequence[str]) -> tuple[str, ...]:
    if report != "funnel":
        if steps:
            raise _bad("expected step for funnel only")
        return ()
    if not 2 <= len(steps) <= MAX_STEPS:
        raise _bad(f"expected 2 to {MAX_STEPS} times step, such as step=view:/&step=view:/watch/*")
    if not all(_STEP.fullmatch(step) for step in steps):
        raise _bad("expected step to be a type, or type:/page, or type:/page*")
    return tuple(_respelled(step) for step in steps)


def _respelled(step: str) -> str:
    """A step with its page in the spelling that pages are kept in."""
    kind, slash, page = step.partition(":/")
    return kind + (":" + readable(slash[1:] + page) if slash else "")


def _for_partners(found: Question, one: Mapping[str, str], today: date, people: int) -> Question:
    """Whole months that are over, one breakdown and no filter: of two answers none can be subtracted from the other."""
    if one["partner"] not in ("yes", "true", "1"):
        raise _bad("expected partner=yes")
    if found.report not in FOR_PARTNERS or found.by not in FOR_PARTNERS[found.report]:
        told = "; ".join(f"{report} by {' or '.join(by)}" for report, by in FOR_PARTNERS.items())
        raise _bad(f"expected one of what partners may have: {told}")
    if "month" not in one or found.last_day >= today:
        raise _bad("expected a month that is over, such as month=2026-10: partners may have no other span")
    if found.country or found.device or found.campaign:
        raise _bad("expected no country, device or campaign: answers for partners are never narrowed")
    return structs.replace(found, partner_people=people)


def _bad(detail: str) -> BadRequest:
    return BadRequest("bad_question", detail)
