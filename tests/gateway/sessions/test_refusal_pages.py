"""Refusals as pages: who gets one, where it leads, and that nginx can pass it on."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from harness.asgi import ask
from harness.worker_app import NAVIGATION, RUN, Worker, running_worker, settings_for
from latchstring_gateway import wiring
from latchstring_gateway.sessions.refusal_pages import MAX_PAGE_BYTES

_FORM = {**NAVIGATION, "x_forwarded_method": "POST", "content_type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker whose pages are in three languages."""
    async with running_worker(settings_for(store_url, tmp_path, languages="en,nl,ar")) as running:
        yield running


def _is_page(answer: httpx.Response) -> bool:
    return answer.headers["content-type"] == "text/html; charset=utf-8" and "<h1>" in answer.text


async def test_a_form_after_the_session_ended_gets_a_page_and_a_script_a_problem(worker: Worker) -> None:
    """401 both, with the challenge, and the problem in its header for proxies that know no page."""
    page, script = await worker.verify(None, **_FORM), await worker.verify(None, x_forwarded_method="POST")

    assert (page.status_code, script.status_code) == (401, 401)
    assert _is_page(page)
    assert script.headers["content-type"] == "application/problem+json"
    assert json.loads(page.headers["x-latch-problem"])["code"] == "not_signed_in"
    assert page.headers["www-authenticate"] == script.headers["www-authenticate"]
    assert "x-latch-page" not in script.headers
    assert "set-cookie" not in page.headers


@pytest.mark.parametrize("language", ["en", "nl", "ar"])
async def test_the_page_fits_into_a_header(worker: Worker, language: str) -> None:
    """One line of ASCII that is the same page, in every language: nginx has no other way to it."""
    page = await worker.verify(None, **_FORM, accept_language=language)

    line = page.headers["x-latch-page"]
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < MAX_PAGE_BYTES // 2
    assert line == " ".join(page.text.split()).encode("ascii", "xmlcharrefreplace").decode()
    assert f'lang="{language}"' in line


async def test_a_remembered_visitors_form_says_that_the_password_is_wanted(worker: Worker) -> None:
    """The way in asks for it, and the code says so."""
    jar = await worker.signed_in()
    del jar[RUN]

    page = await worker.verify(jar, "/fresh", **_FORM)

    assert page.status_code == 401
    assert "&amp;fresh=1" in page.text
    assert "fresh_required" in page.text


async def test_a_gated_apps_form_gets_the_page_without_the_header(worker: Worker) -> None:
    """No proxy throws its body away there."""

    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError("not reached")

    gate = wiring.gate(worker.rooms, app)
    headers = [(b"host", b"www.example.com"), (b"referer", b"https://www.example.com/form?a=1")]
    headers += [(name.encode(), value.encode()) for name, value in NAVIGATION.items()]

    answer = await ask(gate, method="POST", path="/form", query_string=b"", headers=headers)

    assert answer.status == 401
    assert answer.header(b"content-type") == b"text/html; charset=utf-8"
    assert answer.header(b"x-latch-page") is None


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example/x"])
async def test_the_way_to_try_again_leads_to_no_other_host(worker: Worker, path: str) -> None:
    """In an outage, a link to `https://www.example.com//evil.example/` got a page whose button led to evil.example."""
    jar = await worker.signed_in()
    await worker.rooms.feed.close()
    worker.rooms.feed.registry_link.store_away = True

    page = await worker.verify(jar, **{**NAVIGATION, "x_forwarded_uri": path})
    form = await worker.verify(jar, referer=f"https://www.example.com{path}", **_FORM)

    for answer in (page, form):
        assert answer.status_code == 503
        assert 'class="button button-main" href="/"' in answer.text
