"""The panels of the dashboard, a question each: the number, the drawing, the table behind it, and how it came about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..reports.answer import Answer, Value
from ..reports.task import LedgerSummary
from . import charts, words


@dataclass(frozen=True, slots=True)
class Table:
    """The figures behind a drawing; of each row the first is its heading."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; `drawing` is what its template draws, `shape` says which."""

    id: str
    question: str
    figure: str
    figure_words: str
    shape: str
    table: Table
    footnote: str
    drawing: Any = None
    #: The ends of the axis below a line or columns.
    ends: tuple[str, str] = ("", "")
    csv: str = ""
    empty: str = ""
    is_bad: bool = False
    facts: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a ranking or funnel, and how long its bar is, of 100."""

    name: str
    length: float
    cells: Sequence[str]


def visitors(answer: Answer) -> Panel:
    """Visitors by day."""
    days = [words.day(value) for value in _column(answer, "day")]
    counts = _numbers(answer, "visitors")
    events = _numbers(answer, "net")
    said = [f"{day}: {words.count_of(round(n), 'visitor')}" for day, n in zip(days, counts, strict=True)]
    facts = []
    if not any(counts):
        facts.append("Nobody can be told apart yet: visitors have a pseudonym only with their consent.")
    return Panel(
        id="visitors",
        question="How many come?",
        figure=words.whole(answer.visitors or 0),
        figure_words="visitors who can be told apart" + (", about" if answer.visitors_error else ""),
        shape="line",
        drawing=charts.line(counts, said),
        ends=(days[0], days[-1]) if days else ("", ""),
        table=Table(("Day", "Visitors", "Events"), _rows(days, _whole(counts), _whole(events))),
        footnote=words.method(answer),
        csv="audience",
        empty="" if answer.rows else _EMPTY,
        facts=facts,
    )


def pages(answer: Answer) -> Panel:
    """Popular pages."""
    views = _numbers(answer, "net")
    cells = _rows(_whole(views), _whole(_numbers(answer, "visitors")), _whole(_numbers(answer, "gross")))
    return Panel(
        id="pages",
        question="Which pages are popular?",
        figure=words.whole(answer.net),
        figure_words="page views",
        shape="ranking",
        drawing=_bars(answer, "page", views, cells, words.name),
        table=Table(("Page", "Views", "Visitors", "Gross"), ()),
        footnote=words.method(answer),
        csv="pages",
        empty="" if answer.rows else _EMPTY,
    )


def funnel(answer: Answer) -> Panel:
    """Conversion."""
    reached = _numbers(answer, "visitors")
    cells = _rows(_whole(reached), *([words.share(v) for v in _column(answer, c)] for c in ("of_previous", "of_first")))
    last = _column(answer, "of_first")[-1] if answer.rows else None
    hours = answer.question.within_hours
    within = f"{hours // 24} days" if hours % 24 == 0 and hours > 24 else f"{hours} hours"
    return Panel(
        id="funnel",
        question="Where do people get to?",
        figure=words.share(last),
        figure_words=f"of those who began went all the way within {within}",
        shape="ranking",
        drawing=_bars(answer, "step", reached, cells, lambda step: _STEPS.get(str(step), str(step))),
        table=Table(("Step", "Visitors", "Of last", "Of first"), ()),
        footnote=words.method(answer),
        csv="funnel",
        empty="" if any(reached) else "Nobody went this way, or nobody who can be followed: that takes consent.",
    )


def clicks(answer: Answer) -> Panel:
    """Click-through."""
    counts = _numbers(answer, "net")
    cells = _rows(
        _whole(counts), _whole(_numbers(answer, "seen")), [words.share(v) for v in _column(answer, "click_through")]
    )
    return Panel(
        id="clicks",
        question="What makes people click?",
        figure=words.whole(answer.net),
        figure_words="clicks",
        shape="ranking",
        drawing=_bars(answer, "page", counts, cells, words.name),
        table=Table(("Page they clicked on", "Clicks", "Views", "Rate"), ()),
        footnote=words.method(answer),
        csv="clicks",
        empty="" if answer.rows else "No click has been told yet.",
    )


def week(answer: Answer) -> Panel:
    """Viewing by hour of the week, as a heat map."""
    seconds = dict(zip(_column(answer, "weekday"), _numbers(answer, "seconds"), strict=True))
    grid = [[seconds.get(f"{weekday} {hour:02}", 0) for hour in range(24)] for weekday in range(1, 8)]
    flat = [value for row in grid for value in row]
    steps = charts.heat(flat)
    drawing = [
        (weekday, [(steps[24 * place + hour], words.hours(value)) for hour, value in enumerate(grid[place])])
        for place, weekday in enumerate(words.WEEKDAYS)
    ]
    uncertain = sum(_numbers(answer, "uncertain_seconds"))
    more = f" {words.hours(uncertain)} more are uncertain: heartbeats are missing." if uncertain else ""
    return Panel(
        id="week",
        question="When do people watch?",
        figure=words.hours(sum(flat)),
        figure_words="watched",
        shape="heat",
        drawing=drawing,
        table=Table((), ()),
        footnote=f"Hours are {answer.question.time_zone}. {words.method(answer)}{more}" if answer.gross else "",
        csv="viewing",
        empty="" if any(flat) else _NOT_WATCHED,
    )


def devices(answer: Answer) -> Panel:
    """Viewing by kind of device."""
    seconds = _numbers(answer, "seconds")
    cells = _rows(
        [words.hours(value) for value in seconds],
        _whole(_numbers(answer, "viewings")),
        _whole(_numbers(answer, "visitors")),
    )
    first = words.within_sentence(words.device(answer.rows[0][0])) if answer.rows else ""
    whole = sum(seconds)
    return Panel(
        id="devices",
        question="On what do they watch?",
        figure=words.share(seconds[0] / whole) if whole else "\N{EN DASH}",
        figure_words=f"of viewing time is on {first}",
        shape="ranking",
        drawing=_bars(answer, "device", seconds, cells, words.device),
        table=Table(("Device", "Time", "Viewings", "Visitors"), ()),
        footnote=words.method(answer),
        csv="viewing",
        empty="" if whole else _NOT_WATCHED,
    )


def live(answer: Answer) -> Panel:
    """The last thirty minutes."""
    zone = answer.question.time_zone
    minutes = [words.minute(value, zone) for value in _column(answer, "minute")]
    views, watching = _numbers(answer, "net"), _numbers(answer, "watching")
    said = [f"{at}: {words.count_of(round(n), 'view')}" for at, n in zip(minutes, views, strict=True)]
    now = round(watching[-2] if len(watching) > 1 else 0)
    return Panel(
        id="live",
        question="What is going on right now?",
        figure=words.whole(answer.net),
        figure_words="page views in the last 30 minutes",
        shape="columns",
        drawing=charts.columns(views, said),
        ends=(minutes[0], "now") if minutes else ("", ""),
        table=Table((f"Minute ({zone})", "Views", "Watching"), _rows(minutes, _whole(views), _whole(watching))),
        footnote=f"Hits arrive here after some seconds. {words.method(answer)}" if answer.rows else "",
        csv="live",
        empty="" if answer.rows else _EMPTY,
        facts=[f"{words.count_of(now, 'player')} playing in the last full minute." if now else ""],
    )


def ledger(found: LedgerSummary) -> Panel:
    """Whether every hit is accounted for; the latest day, by hour and source."""
    rows: list[Sequence[str]] = [
        [f"{row.hour.replace('T', ' ')}:00", row.source, *(words.whole(getattr(row, name)) for name in _OUTCOMES)]
        for row in reversed(found.rows[-_LEDGER_ROWS:])
    ]
    well = found.problems == 0
    return Panel(
        id="ledger",
        question="Is every hit accounted for?",
        figure="Yes" if well else "No",
        figure_words=f"{words.count_of(found.total.received, 'hit')} received"
        if well
        else f"{words.count_of(found.problems, 'place')} where it does not add up: see latchstring ledger",
        shape="ledger",
        drawing=[(name.capitalize(), words.whole(getattr(found.total, name))) for name in _OUTCOMES],
        is_bad=not well,
        table=Table(("Hour (UTC)", "Source", *(name.capitalize() for name in _OUTCOMES)), rows),
        footnote="Received = good + bad + duplicate + excluded + pending, for each source and hour.",
        empty="" if found.rows else _EMPTY,
    )


_EMPTY: Final = "Nothing yet. Hits show here some seconds after they come in."
_NOT_WATCHED: Final = "Nothing was watched, as far as heartbeats tell."
_OUTCOMES: Final = ("received", "good", "bad", "duplicate", "excluded", "pending")
_LEDGER_ROWS: Final = 24
_STEPS: Final = {"view": "Looked at a page", "click": "Clicked a link", "conversion": "Converted"}


def _column(answer: Answer, name: str) -> list[Value]:
    return [answer.cell(row, name) for row in answer.rows]


def _numbers(answer: Answer, name: str) -> list[float]:
    return [value if isinstance(value, int | float) else 0 for value in _column(answer, name)]


def _whole(values: Sequence[float]) -> list[str]:
    return [words.whole(value) for value in values]


def _rows(*columns: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(*columns, strict=True))


def _bars(
    answer: Answer,
    column: str,
    values: Sequence[float],
    cells: Sequence[Sequence[str]],
    named: Callable[[Value], str],
) -> list[Bar]:
    names = [named(value) for value in _column(answer, column)]
    return [Bar(*row) for row in zip(names, charts.lengths(values), cells, strict=True)]
