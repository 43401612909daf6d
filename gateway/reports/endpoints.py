"""The reports by HTTP: `GET /v1/reports/{report}`, JSON or CSV, for whoever has a service credential."""

import json
from collections.abc import Callable
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..clock import Clock
from ..errors import BadRequest, NotFound
from .answer import Answer, csv_of, json_of
from .asking import Reports
from .question import REPORTS, Defaults, Question, question

#: Where CSV has no place: everything of an answer but its rows, as JSON in ASCII.
SUMMARY_HEADER: Final = "Report-Summary"


class ReportEndpoints:
    """Routes below /v1; the app lets only service credentials through to them."""

    def __init__(self, reports: Reports, clock: Clock, defaults: Defaults) -> None:
        self._reports = reports
        self._clock = clock
        self._defaults = defaults

    def routes(self) -> list[Route]:
        """In matching order."""
        return [Route("/v1/reports/{report}", self.report, methods=["GET"])]

    async def report(self, request: Request) -> Response:
        """200; 400 `bad_question`, 404 `no_such_report`, 503 `report_busy`, `report_given_up`, `report_failed`, …"""
        name = str(request.path_params["report"])
        if name not in REPORTS:
            raise NotFound("no_such_report", f"expected one of {', '.join(REPORTS)}")
        asked = asked_of(request, name, self._defaults, now_ms=self._clock.wall_ms())
        written = _written(request)
        (answer,) = (await self._reports.answer([asked])).answers
        return written(answer)


def asked_of(request: Request, report: str, defaults: Defaults, *, now_ms: int) -> Question:
    """The question in the query of a URL. Raises BadRequest."""
    asked: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        asked.setdefault(name, []).append(value)
    return question(report, asked, now_ms=now_ms, **defaults._asdict())


def csv_response(answer: Answer) -> Response:
    """The rows as CSV to be saved, the rest in a header."""
    summary = {name: value for name, value in msgspec.to_builtins(answer).items() if name not in ("rows", "columns")}
    name = f"{answer.question.report}-{answer.question.first_day}-{answer.question.last_day}.csv"
    headers = {
        "cache-control": "no-store",
        "content-disposition": f'attachment; filename="{name}"',
        SUMMARY_HEADER: json.dumps(summary),
    }
    return Response(csv_of(answer), media_type="text/csv; header=present", headers=headers)


def _json_response(answer: Answer) -> Response:
    return Response(json_of(answer), media_type="application/json", headers={"cache-control": "no-store"})


def _written(request: Request) -> Callable[[Answer], Response]:
    """How the answer is wanted: by `format`, else by Accept, else JSON. Raises BadRequest."""
    wanted = request.query_params.get("format")
    if wanted is None:
        accepts_csv = request.headers.get("accept", "").partition(";")[0].strip().lower() == "text/csv"
        return csv_response if accepts_csv else _json_response
    if wanted not in ("csv", "json"):
        raise BadRequest("bad_question", "expected format to be json or csv")
    return csv_response if wanted == "csv" else _json_response
