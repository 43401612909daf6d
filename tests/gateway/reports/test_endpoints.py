"""The reports by HTTP: JSON and CSV with the same figures, and every bad question answered 400 in words."""

import csv
import io
import json
from pathlib import Path

import httpx
import pytest
from starlette.routing import Router

from harness import warehouse
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.reports.asking import Reports
from latchstring_gateway.reports.endpoints import ReportEndpoints
from latchstring_gateway.reports.question import Defaults
from latchstring_middleware.problems import ProblemAnswers

# A process for each answer: no unit test's time.
pytestmark = pytest.mark.beacons


@pytest.fixture
def client(tmp_path: Path) -> httpx.AsyncClient:
    """A client of the endpoints over a small warehouse; credentials are the app's business."""
    warehouse.commit(tmp_path, [{"page": "/ü,1", "visitor": "ada"}, {"page": "/ü,1", "machine": "bot"}])
    reports = Reports(tmp_path, memory_mb=256, seconds=60)
    app = ProblemAnswers(Router(ReportEndpoints(reports, ManualClock(), Defaults(10)).routes()))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge")


async def test_json_and_csv_say_the_same(client: httpx.AsyncClient) -> None:
    """CSV has its rows in the body and the rest in a header."""
    told = (await client.get("/v1/reports/pages")).json()
    for answer in (
        await client.get("/v1/reports/pages?format=csv"),
        await client.get("/v1/reports/pages", headers={"accept": "text/csv"}),
    ):
        summary = json.loads(answer.headers["report-summary"])
        rows = list(csv.DictReader(io.StringIO(answer.text)))

        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.headers["content-disposition"] == 'attachment; filename="pages-2026-12-17-2027-01-15.csv"'
        assert [{**row, **{n: int(v) for n, v in row.items() if n != "page"}} for row in rows] == told["rows"]
        assert (summary["gross"], summary["net"], summary["excluded"]) == (2, 1, {"bot": 1})
        assert {"as_of_ms", "watermark_ms", "visitors", "withheld"} < set(summary)
    assert told["rows"] == [{"page": "/ü,1", "gross": 2, "net": 1, "visitors": 1, "excluded_bot": 1}]
    assert (told["gross"], told["net"]) == (summary["gross"], summary["net"])


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("nothing", 404, "no_such_report"),
        ("pages?by=country", 400, "bad_question"),
        ("pages?format=xml", 400, "bad_question"),
        ("pages?from=2027-01-01&from=2027-01-02", 400, "bad_question"),
        ("pages?country=%FF%FE", 400, "bad_question"),
        ("pages?%00=1", 400, "bad_question"),
        ("funnel?step=view:/", 400, "bad_question"),
        ("pages?partner=yes", 400, "bad_question"),
    ],
)
async def test_bad_question_is_a_problem_with_a_code(
    client: httpx.AsyncClient, url: str, status: int, code: str
) -> None:
    """Never a 500, and nothing is asked of the warehouse."""
    answer = await client.get(f"/v1/reports/{url}")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_campaign_of_any_script_is_a_filter(client: httpx.AsyncClient) -> None:
    """Also in the header of CSV, which is ASCII."""
    answer = await client.get("/v1/reports/pages", params={"campaign": "весна", "format": "csv"})

    assert answer.status_code == 200
    assert json.loads(answer.headers["report-summary"])["question"]["campaign"] == "весна"


async def test_spoilt_warehouse_is_503_and_names_no_path(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """The log says what it is."""
    for file in (tmp_path / "warehouse").rglob("*.parquet"):
        file.write_bytes(b"no parquet")

    answer = await client.get("/v1/reports/pages")

    assert (answer.status_code, answer.json()["code"]) == (503, "warehouse_file_unreadable")
    assert str(tmp_path) not in answer.text
