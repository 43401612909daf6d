"""The dashboard in a real browser: accessible, without script, by keyboard, at any width, in light and dark."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from starlette.types import ASGIApp

from harness.dashboard_stand import KEY, application, fill

pytestmark = pytest.mark.browser

_WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_QUESTIONS = (
    "What is going on right now?", "How many come?", "Which pages are popular?", "What makes people click?",
    "When do people watch?", "On what do they watch?", "Where do people get to?", "Is every hit accounted for?",
)  # fmt: skip


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two lively weeks."""
    folder = tmp_path_factory.mktemp("data")
    fill(folder)
    return folder


@pytest.fixture
def contexts(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Browser windows of a given width and colour scheme."""
    made: list[BrowserContext] = []

    def make(width: int, scheme: Literal["light", "dark"] = "light", *, script: bool = True) -> BrowserContext:
        context = browser.new_context(
            viewport={"width": width, "height": 844}, color_scheme=scheme, java_script_enabled=script
        )
        context.set_default_timeout(30_000)
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()


def _signed_in(context: BrowserContext, base: str) -> Page:
    page = context.new_page()
    # Only there does Chromium keep a Secure cookie without TLS.
    page.goto(base.replace("127.0.0.1", "localhost") + "/dashboard")
    page.get_by_label("Service key").fill(KEY)
    page.get_by_role("button", name="Sign in").click()
    return page


def _violations(page: Page) -> list[str]:
    found = Axe().run(page, options={"runOnly": _WCAG}).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_no_accessibility_violation_and_nothing_is_cut_off(
    contexts: Callable[..., BrowserContext], serving: Callable[[ASGIApp], str], data_dir: Path, width: int, scheme: str
) -> None:
    """WCAG 2.2 AA by axe-core, with everything opened; the page never scrolls sideways."""
    page = _signed_in(contexts(width, scheme), serving(application(data_dir)))

    for question in _QUESTIONS:
        expect(page.get_by_role("heading", name=question)).to_be_visible()
    assert _violations(page) == []
    for summary in page.locator("summary").all():
        summary.click()
    assert _violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_drawing_has_its_figures_as_a_table(
    contexts: Callable[..., BrowserContext], serving: Callable[[ASGIApp], str], data_dir: Path
) -> None:
    """A screen reader finds a table, or the outcomes as a list, in each panel; charts say in words what they show."""
    page = _signed_in(contexts(1280), serving(application(data_dir)))

    panels = page.locator(".panel")
    assert panels.count() == len(_QUESTIONS)
    for place in range(panels.count()):
        assert panels.nth(place).locator("table tbody tr").count() > 0
    for chart in page.get_by_role("img").all():
        assert "The table below has every figure." in (chart.get_attribute("aria-label") or "")
    assert page.locator(".heat tbody td").count() == 7 * 24


def test_the_page_works_without_script_and_by_keyboard(
    contexts: Callable[..., BrowserContext], serving: Callable[[ASGIApp], str], data_dir: Path
) -> None:
    """Filters and steps are forms, tables open by Enter, the sign-out is a button."""
    page = _signed_in(contexts(390, script=False), serving(application(data_dir)))

    page.get_by_label("Device").select_option("tv")
    page.get_by_label("Country").fill("NL")
    page.get_by_label("Country").press("Enter")
    page.wait_for_url("**/dashboard?days=30&device=tv&country=NL&campaign=")
    expect(page.locator(".lede")).to_contain_text("NL, TVs")
    expect(page.locator(".panel-devices tbody tr")).to_have_count(1)

    page.get_by_text("Other steps").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Step 1").fill("view:/watch/*")
    page.get_by_role("button", name="Show this way").click()
    expect(page.locator(".panel-funnel tbody tr").first).to_contain_text("view:/watch/*")

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Service key")).to_be_visible()


def test_an_empty_dashboard_and_the_form_are_accessible_too(
    contexts: Callable[..., BrowserContext], serving: Callable[[ASGIApp], str], tmp_path: Path
) -> None:
    """On the narrowest phone: before the first hit, and after a wrong key, which is told and in focus."""
    base = serving(application(tmp_path)).replace("127.0.0.1", "localhost")
    page = contexts(320).new_page()
    page.goto(f"{base}/dashboard")
    page.get_by_label("Service key").fill("lsk_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("This is no service key")
    expect(page.get_by_label("Service key")).to_be_focused()
    assert _violations(page) == []

    page.get_by_label("Service key").fill(KEY)
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_text("Nothing yet.").first).to_be_visible()
    assert _violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
