"""The choices page in a real browser: accessible in both themes, and usable by keyboard without script."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect
from starlette.routing import Router
from starlette.types import ASGIApp

from harness.pages import pages
from harness.people import CODEC
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.pages.static import static_routes
from latchstring_gateway.privacy.choices import ChoiceCookies
from latchstring_gateway.privacy.page import URL, ChoicesPage

pytestmark = pytest.mark.browser

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def _app() -> ASGIApp:
    page = ChoicesPage(ChoiceCookies(CODEC, SystemClock(), "1"), pages())
    return Router([*page.routes(), *static_routes()])


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")])
def test_it_has_no_accessibility_violation(
    browser: Browser, serving: Callable[[ASGIApp], str], width: int, scheme: str
) -> None:
    """WCAG 2.2 AA by axe-core, before and after a choice."""
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto(serving(_app()) + URL)

    for _ in range(2):
        found = Axe().run(page, options={"runOnly": WCAG}).response["violations"]
        assert [f"{one['id']}: {one['nodes'][0]['html']}" for one in found] == []
        page.get_by_label("Recognise this browser in statistics").check()
        page.get_by_role("button", name="Save my choices").click()
    context.close()


def test_by_keyboard_and_without_script(browser: Browser, serving: Callable[[ASGIApp], str]) -> None:
    """Tab, space and enter choose; what was chosen is told and stands there the next time."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto(serving(_app()).replace("127.0.0.1", "localhost") + URL)

    page.get_by_label("Recognise this browser in statistics").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_contain_text("Saved.")
    page.goto(page.url.partition("?")[0])
    expect(page.get_by_label("Recognise this browser in statistics")).to_be_checked()
    expect(page.get_by_label("Count me in what partners are told")).not_to_be_checked()
    context.close()
