"""The dashboard: its panels, its sign-in, and the figures behind each panel as CSV.

GET  /dashboard                    the panels; the span and the filters are in the URL
GET  /dashboard/reports/{report}   one report as CSV, by the same filters
GET  /dashboard/sign-in            a form for a service key
POST /dashboard/sign-in            in, or the form again
POST /dashboard/sign-out           out
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ..clock import Clock
from ..errors import BadRequest, EdgeError, NotFound, NotSignedIn
from ..pages.forms import form_fields
from ..pages.render import PAGE_HEADERS, Pages
from ..reports.asking import Reports
from ..reports.endpoints import asked_of, csv_response
from ..reports.question import REPORTS, Defaults, Question, question
from ..reports.task import Result
from . import panels, words
from .door import CLEARED, Door

BASE_URL: Final = "/dashboard"
SIGN_IN_URL: Final = f"{BASE_URL}/sign-in"

#: What may stand in the page's URL; the rest of a question is each panel's own.
_FILTERS: Final = ("days", "from", "to", "month", "country", "device", "campaign", "time_zone")
_SPANS: Final = (("1", "Today"), ("7", "7 days"), ("30", "30 days"), ("90", "90 days"))
_DEVICES: Final = ("tv", "console", "stick", "set_top", "phone", "tablet", "computer", "speaker", "car", "other")
_STEPS: Final = ("view", "click", "conversion")
_RANKED: Final = "10"

#: The questions of the panels, in the order of the page: report, and what it asks besides the filters.
_PANELS: Final[dict[str, tuple[str, dict[str, list[str]]]]] = {
    "live": ("live", {}),
    "visitors": ("audience", {"by": ["day"]}),
    "pages": ("pages", {"limit": [_RANKED]}),
    "clicks": ("clicks", {"by": ["page"], "limit": [_RANKED]}),
    "week": ("viewing", {"by": ["weekday"]}),
    "devices": ("viewing", {"by": ["device"]}),
    "funnel": ("funnel", {}),
}


class Dashboard:
    """Holds the collaborators of the pages."""

    def __init__(self, *, door: Door, reports: Reports, clock: Clock, pages: Pages, defaults: Defaults) -> None:
        self._defaults = defaults
        self._door = door
        self._reports = reports
        self._clock = clock
        # What operators read is there in English alone.
        self._reader = pages.english_reader()

    def routes(self) -> list[Route]:
        """In matching order."""
        return [
            Route(BASE_URL, self.show, methods=["GET"]),
            Route(SIGN_IN_URL, self.ask, methods=["GET"]),
            Route(SIGN_IN_URL, self.sign_in, methods=["POST"]),
            Route(f"{BASE_URL}/sign-out", self.sign_out, methods=["POST"]),
            Route(f"{BASE_URL}/reports/{{report}}", self.csv, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """The panels; to the sign-in form if nobody is signed in."""
        try:
            await self._door.check(request)
            filters = _filters(request)
            asked = self._questions(filters)
            result = await self._reports.answer(list(asked.values()), ledger=True)
        except NotSignedIn:
            return _to(SIGN_IN_URL)
        except EdgeError as error:
            return self._error(error)
        return self._page(filters, asked, result)

    async def csv(self, request: Request) -> Response:
        """One report as CSV."""
        try:
            await self._door.check(request)
            report = str(request.path_params["report"])
            if report not in REPORTS:
                raise NotFound("no_such_report", "there is no such report")
            asked = asked_of(request, report, self._defaults, now_ms=self._clock.wall_ms())
            if "partner" in request.query_params:
                raise BadRequest("bad_question", "reports for partners are made by latchstring report")
            (answer,) = (await self._reports.answer([asked])).answers
        except NotSignedIn:
            return _to(SIGN_IN_URL)
        except EdgeError as error:
            return self._error(error)
        return csv_response(answer)

    async def ask(self, _request: Request) -> Response:
        """The form for a service key."""
        return self._form()

    async def sign_in(self, request: Request) -> Response:
        """In with a good key; the form again, with what is wrong, for any other."""
        try:
            fields = await form_fields(request)
            cookie = await self._door.let_in(fields.get("key", "").strip())
        except NotSignedIn:
            return self._form(wrong=True)
        except EdgeError as error:
            return self._error(error)
        return _to(BASE_URL, cookie)

    async def sign_out(self, _request: Request) -> Response:
        """Forget who came in."""
        return _to(SIGN_IN_URL, CLEARED)

    def _questions(self, filters: Mapping[str, list[str]]) -> dict[str, Question]:
        now_ms = self._clock.wall_ms()
        return {
            name: question(report, {**own, **_kept(filters)}, now_ms=now_ms, **self._defaults._asdict())
            for name, (report, own) in _with_steps(filters).items()
        }

    def _page(self, filters: Mapping[str, list[str]], asked: Mapping[str, Question], result: Result) -> Response:
        answers = dict(zip(asked, result.answers, strict=True))
        shown = [getattr(panels, name)(answer) for name, answer in answers.items()]
        assert result.ledger is not None
        shown.append(panels.ledger(result.ledger))
        first = answers["pages"]
        queries = {
            name: urlencode({**own, **_kept(filters)}, doseq=True) for name, (_, own) in _with_steps(filters).items()
        }
        return self._reader.page(
            "dashboard.html",
            base_url=BASE_URL,
            panels=shown,
            queries=queries,
            spans=_SPANS,
            devices={kind: words.device(kind) for kind in _DEVICES},
            chosen={name: filters.get(name, [""])[0] for name in _FILTERS},
            steps=asked["funnel"].steps,
            first_day=words.day(first.question.first_day.isoformat()),
            last_day=words.day(first.question.last_day.isoformat()),
            as_of=words.minute(first.as_of_ms, first.question.time_zone),
            watermark=words.minute(first.watermark_ms, first.question.time_zone),
            time_zone=first.question.time_zone,
        )

    def _form(self, *, wrong: bool = False) -> Response:
        return self._reader.page(
            "dashboard_sign_in.html",
            status=401 if wrong else 200,
            action=SIGN_IN_URL,
            wrong=wrong,
        )

    def _error(self, error: EdgeError) -> Response:
        what = error.detail[:1].upper() + error.detail[1:] + "."
        return self._reader.error_page(error, what_to_do=what, back_url=BASE_URL, back_words="Back to the dashboard")


def _filters(request: Request) -> dict[str, list[str]]:
    """What the URL asks; a field that was left empty in the form asks nothing. Raises BadRequest."""
    filters: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name not in (*_FILTERS, "step"):
            raise BadRequest("bad_question", f"expected only {', '.join((*_FILTERS, 'step'))}")
        if value.strip():
            filters.setdefault(name, []).append(value.strip())
    return filters


def _with_steps(filters: Mapping[str, list[str]]) -> dict[str, tuple[str, dict[str, list[str]]]]:
    """The panels' questions; the funnel's steps are its own alone."""
    steps = filters.get("step", list(_STEPS))
    return {
        name: (report, {**own, "step": steps} if report == "funnel" else own) for name, (report, own) in _PANELS.items()
    }


def _kept(filters: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {name: values for name, values in filters.items() if name != "step"}


def _to(url: str, cookie: str = "") -> Response:
    headers = {**PAGE_HEADERS, **({"set-cookie": cookie} if cookie else {})}
    return RedirectResponse(url, 303, headers)
