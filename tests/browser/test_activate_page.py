"""The activation page in a real browser: accessible, usable by keyboard alone, without script, at any width."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.types import ASGIApp

from harness.activation_stand import OneWaits, activation_routes
from harness.pages import pages
from latchstring_gateway.pages.static import static_routes

pytestmark = pytest.mark.browser

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_URL = "/latch/activate"


@pytest.fixture
def approvals() -> OneWaits:
    """What the page asks."""
    return OneWaits()


@pytest.fixture
def address(approvals: OneWaits, serving: Callable[[ASGIApp], str], tmp_path: Path) -> str:
    """The page, served."""
    routes = activation_routes(approvals, pages("Cinema Nova"), tmp_path)
    return serving(Starlette(routes=[*routes, *static_routes()])) + _URL


@pytest.fixture(params=[(390, "light"), (390, "dark"), (1200, "light"), (1200, "dark")], ids=lambda p: f"{p[0]}-{p[1]}")
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page on phone and desktop, light and dark, in a browser that runs no script of ours: there is none."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def _problems(page: Page) -> list[str]:
    found = Axe().run(page, options={"runOnly": WCAG}).response["violations"]
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found] + (["scrolls sideways"] if wide else [])


def test_every_step_is_accessible_and_fits(page: Page, address: str) -> None:
    """WCAG 2.2 AA by axe-core: field, wrong code, too many, the question with its warning, and both outcomes."""
    page.goto(address)
    found = _problems(page)
    for typed in ("ABC", "BBBB-BBBB"):
        page.get_by_label("Code on your TV").fill(typed)
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("alert")).to_be_visible()
        found += _problems(page)
    page.goto(f"{address}?user_code=WDJB-MJHT")
    expect(page.get_by_role("heading", name="Connect this TV?")).to_be_visible()
    expect(page.get_by_text("another country (Brazil) than you (Netherlands)")).to_be_visible()
    found += _problems(page)
    page.get_by_role("button", name="This wasn").click()
    found += _problems(page)
    page.goto(f"{address}?user_code=WDJB-MJHT")
    page.get_by_role("button", name="Connect this TV").click()
    found += _problems(page)

    assert found == []


def test_yes_and_no_are_of_one_size(page: Page, address: str) -> None:
    """Nobody is nudged: both answers have the same area, and room for a thumb."""
    page.goto(f"{address}?user_code=WDJB-MJHT")
    boxes = [page.get_by_role("button", name=name).bounding_box() for name in ("Connect this TV", "This wasn")]

    assert boxes[0] is not None
    assert boxes[1] is not None
    assert [boxes[0][side] for side in ("width", "height")] == pytest.approx(
        [boxes[1][side] for side in ("width", "height")], abs=1
    )
    assert boxes[0]["height"] >= 44


def test_the_keyboard_is_enough_and_so_is_a_browser_without_script(
    browser: Browser, address: str, approvals: OneWaits
) -> None:
    """Type, enter, tab to the answer, enter."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.get_by_label("Code on your TV").focus()
    page.keyboard.type("wdjb mjht")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Connect this TV?")).to_be_visible()
    for _ in range(6):
        page.keyboard.press("Tab")
        if page.get_by_role("button", name="Connect this TV").evaluate("e => e === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="This TV connects now")).to_be_visible()
    context.close()

    assert approvals.decided == ["approved"]
