"""The page for a form that was sent after its session ended: signing in and reloading sends what was entered again."""

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from harness.pages import pages
from latchstring_gateway.pages.forms import form_fields
from latchstring_gateway.pages.static import static_routes
from latchstring_middleware.cross_origin import CrossOriginProtection

pytestmark = pytest.mark.browser

_FORM = (
    '<!doctype html><title>Letter</title><form method="post" action="/send">'
    '<textarea name="text"></textarea><button>Send</button></form>'
)


async def _form(_request: Request) -> Response:
    return HTMLResponse(_FORM)


async def _send(request: Request) -> Response:
    if "in" not in request.cookies:
        reader = pages("Cinema Nova").reader(request)
        return reader.page("not_sent.html", status=401, code="not_signed_in", sign_in_url="/sign-in?return=x")
    text = (await form_fields(request))["text"]
    return HTMLResponse(f"<!doctype html><title>Sent</title><p>received: {text}")


async def _sign_in(_request: Request) -> Response:
    answer = HTMLResponse("<!doctype html><title>Welcome</title><p>welcome")
    answer.set_cookie("in", "1", samesite="lax")
    return answer


@pytest.fixture
def address(serving: Callable[[ASGIApp], str]) -> str:
    """A website whose session has ended, behind the check of our own pages against forged posts."""
    routes = [Route("/form", _form), Route("/send", _send, methods=["POST"]), Route("/sign-in", _sign_in)]
    return serving(CrossOriginProtection(Starlette(routes=[*routes, *static_routes()])))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on a phone."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def test_signing_in_elsewhere_and_reloading_sends_what_was_entered(page: Page, address: str) -> None:
    """Nothing has to be typed again; the page is accessible, and going back finds the form as it was left, too."""
    page.goto(f"{address}/form")
    page.locator("textarea").fill("Dear all")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Please sign in")).to_be_visible()
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag22aa", "best-practice"]})

    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in").click()
    expect(opened.value.get_by_text("welcome")).to_be_visible()
    opened.value.close()
    page.reload()

    expect(page.get_by_text("received: Dear all")).to_be_visible()
    assert found.response["violations"] == []


def test_going_back_finds_the_form_as_it_was_left(page: Page, address: str) -> None:
    """For whoever would rather look at it before it is sent again."""
    page.goto(f"{address}/form")
    page.locator("textarea").fill("Dear all")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Please sign in")).to_be_visible()

    page.go_back()

    expect(page.locator("textarea")).to_have_value("Dear all")
