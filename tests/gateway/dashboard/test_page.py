"""The dashboard: nobody gets in without a service key, or stays in without one; every filter is checked."""

from pathlib import Path

import httpx
import pytest

from harness import warehouse
from harness.dashboard_stand import KEY, MemoryKeys, application
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.dashboard.door import VISIT_SECONDS
from latchstring_gateway.reports.question import Defaults

# A process for each answer: no unit test's time.
pytestmark = pytest.mark.beacons


_PAGES = ("/dashboard", "/dashboard/reports/pages")


@pytest.fixture
def keys() -> MemoryKeys:
    """The one service key there is."""
    return MemoryKeys()


@pytest.fixture
def clock() -> ManualClock:
    """The pages' clock; a report's process has the system's."""
    return ManualClock()


@pytest.fixture
def client(tmp_path: Path, keys: MemoryKeys, clock: ManualClock) -> httpx.AsyncClient:
    """A browser before the dashboard of a small warehouse."""
    event = {"page": "/<script>alert(1)</script>", "visitor": "ada", "country": "NL", "device_kind": "tv"}
    warehouse.commit(tmp_path, [event])
    app = application(tmp_path, keys, clock)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://edge")


async def _sign_in(client: httpx.AsyncClient, key: str = KEY) -> httpx.Response:
    return await client.post("/dashboard/sign-in", data={"key": key})


@pytest.mark.parametrize("url", _PAGES)
async def test_without_a_key_there_is_a_form_and_no_figure(client: httpx.AsyncClient, url: str) -> None:
    """Also with a cookie that somebody made up."""
    for cookie in ("", "v1.key1.kQ.x", "A" * 50):
        answer = await client.get(url, headers={"cookie": f"__Host-dashboard={cookie}"})

        assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/sign-in")
        assert answer.headers["cache-control"] == "private, no-store"
    assert "Service key" in (await client.get("/dashboard/sign-in")).text


async def test_a_key_lets_in_until_it_is_revoked(client: httpx.AsyncClient, keys: MemoryKeys) -> None:
    """The cookie names the key and does not hold it."""
    answer = await _sign_in(client, f"  {KEY}\n")

    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")
    line = answer.headers["set-cookie"]
    assert line.startswith("__Host-dashboard=v1.")
    assert f"; Max-Age={VISIT_SECONDS}; HttpOnly" in line
    assert "; Secure; SameSite=Lax" in line
    assert KEY not in line
    assert (await client.get("/dashboard/reports/pages")).status_code == 200
    keys.there = False
    for url in _PAGES:
        assert (await client.get(url)).status_code == 303


async def test_a_wrong_key_is_told_in_words(client: httpx.AsyncClient) -> None:
    """No cookie, and nothing of what was typed comes back."""
    for key in ("lsk_wrong", "", KEY[:-1], f"{KEY}\x00"):
        answer = await _sign_in(client, key)

        assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
        assert "This is no service key" in answer.text
        assert key == "" or key not in answer.text


async def test_a_visit_ends_after_twelve_hours_and_at_signing_out(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    """By the time in the token, whatever the browser keeps."""
    await _sign_in(client)
    clock.advance(VISIT_SECONDS - 1)
    assert (await client.get("/dashboard/reports/pages")).status_code == 200
    clock.advance(1)
    assert (await client.get("/dashboard/reports/pages")).status_code == 303

    await _sign_in(client)
    answer = await client.post("/dashboard/sign-out")

    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/sign-in")
    assert "__Host-dashboard" not in client.cookies


async def test_the_page_has_a_table_for_every_panel_and_no_script(client: httpx.AsyncClient) -> None:
    """What strangers wrote is text; what the page may load is its style sheets."""
    await _sign_in(client)

    answer = await client.get("/dashboard", params={"to": "2027-01-15"})

    assert answer.status_code == 200
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert answer.text.count('<section class="panel') == 8
    assert "Is every hit accounted for?" in answer.text


async def test_filters_are_in_the_url_and_reach_every_panel(client: httpx.AsyncClient) -> None:
    """What was left empty in the form asks nothing."""
    await _sign_in(client)

    answer = await client.get("/dashboard?to=2027-01-15&country=NL&device=tv&campaign=")

    assert answer.status_code == 200
    assert '<option value="tv" selected>' in answer.text
    assert 'value="NL"' in answer.text
    assert answer.text.count("country=NL&amp;device=tv") >= 1


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/dashboard?country=nl", 400),
        ("/dashboard?days=0", 400),
        ("/dashboard?partner=yes", 400),
        ("/dashboard?step=view&step=", 400),
        ("/dashboard?device=%22%3E%3Cb%3E", 400),
        ("/dashboard/reports/nothing", 404),
        ("/dashboard/reports/pages?by=country", 400),
        ("/dashboard/reports/pages?partner=yes&month=2026-10", 400),
    ],
)
async def test_what_cannot_be_asked_is_a_page_that_says_so(client: httpx.AsyncClient, url: str, status: int) -> None:
    """In words, with a way back, and nothing of the URL in it."""
    await _sign_in(client)

    answer = await client.get(url)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "Back to the dashboard" in answer.text
    assert "<b>" not in answer.text


async def test_spoilt_warehouse_is_a_page_too(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """503 with a time to come back."""
    await _sign_in(client)
    for file in (tmp_path / "warehouse").rglob("*.parquet"):
        file.write_bytes(b"no parquet")

    answer = await client.get("/dashboard", params={"to": "2027-01-15"})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert str(tmp_path) not in answer.text


async def test_steps_of_the_funnel_are_chosen_in_the_url(client: httpx.AsyncClient) -> None:
    """And stand in the form again."""
    await _sign_in(client)

    answer = await client.get("/dashboard?to=2027-01-15&step=view:/*&step=&step=conversion")

    assert answer.status_code == 200
    assert 'name="step" type="text" autocomplete="off" spellcheck="false" value="view:/*"' in answer.text


async def test_days_and_hours_are_of_the_time_zone_and_say_so(tmp_path: Path, keys: MemoryKeys) -> None:
    """They were UTC for everybody."""
    warehouse.commit(tmp_path, [{"visitor": "ada", "received_at": 1_799_992_740_000}])  # 2027-01-15T05:59Z
    app = application(tmp_path, keys, ManualClock(), Defaults(time_zone="America/Los_Angeles"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://edge") as client:
        await _sign_in(client)
        page = (await client.get("/dashboard?from=2027-01-14&to=2027-01-14")).text
        there = (await client.get("/dashboard/reports/audience?by=day&from=2027-01-14&to=2027-01-14")).text
        here = await client.get("/dashboard?time_zone=Nowhere")

    assert "Days and hours are America/Los_Angeles" in page
    assert there.splitlines()[1].startswith("2027-01-14,1,1,1")
    assert here.status_code == 400
