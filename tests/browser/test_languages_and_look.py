"""Pages in other languages and with an operator's look, in a real browser: accessible, and no wider than the window."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from starlette.applications import Starlette
from starlette.types import ASGIApp

from harness.activation_stand import OneWaits, activation_routes
from harness.devices_stand import FAMILY, PARTIAL, STRANGE, MemoryDevices, device_routes
from harness.pages import pages
from harness.people import CODEC
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.pages.colours import chosen_palettes, style_sheet
from latchstring_gateway.pages.logo import read_logo
from latchstring_gateway.pages.look import Look
from latchstring_gateway.pages.static import hashed, static_routes
from latchstring_gateway.privacy.choices import ChoiceCookies
from latchstring_gateway.privacy.page import ChoicesPage

pytestmark = pytest.mark.browser

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 30">'
    '<circle cx="15" cy="15" r="14" fill="#7a1fa2"/><rect x="36" y="9" width="80" height="12" fill="#7a1fa2"/></svg>'
)
_URLS = {
    "devices": "/latch/devices",
    "question": "/latch/devices/remove-others",
    "field": "/latch/activate",
    "code": "/latch/activate?user_code=WDJB-MJHT",
    "choices": "/latch/choices",
}


def _application(folder: Path) -> Starlette:
    (folder / "logo.svg").write_text(_LOGO)
    sheet = style_sheet(chosen_palettes("accent=#7a1fa2, accent-dark=#d9a6f2"))
    look = Look(logo=read_logo(folder / "logo.svg"), colours=hashed("colours.css", sheet.encode()))
    shown_as = pages("Cinema Nova", "en,nl,ar", look=look)
    devices = MemoryDevices([*FAMILY, *STRANGE[1:]], PARTIAL)
    choices = ChoicesPage(ChoiceCookies(CODEC, SystemClock(), "1"), shown_as)
    return Starlette(
        routes=[
            *device_routes(devices, shown_as),
            *activation_routes(OneWaits(), shown_as, folder),
            *choices.routes(),
            *static_routes(further=look.files),
        ]
    )


@pytest.mark.parametrize(("language", "direction", "scheme"), [("ar", "rtl", "dark"), ("nl", "ltr", "light")])
def test_pages_are_accessible_and_fit_in_every_language_and_with_another_look(
    browser: Browser, serving: Callable[[ASGIApp], str], tmp_path: Path, language: str, direction: str, scheme: str
) -> None:
    """From right to left, with long words, on the narrowest phone; the policy blocks nothing of the operator's."""
    base = serving(_application(tmp_path))
    context = browser.new_context(
        viewport={"width": 320, "height": 640},
        color_scheme=scheme,  # type: ignore[arg-type]
        extra_http_headers={"accept-language": language},
    )
    page = context.new_page()
    page.set_default_timeout(10_000)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    found = {}
    for name, url in _URLS.items():
        page.goto(base + url)
        found[name] = _problems(page)
    page.goto(base + "/latch/devices/tv/remove")
    page.locator("main form button").click()
    page.locator("summary").click()
    found["receipt"] = _problems(page)

    assert {name: problems for name, problems in found.items() if problems} == {}
    assert len(found) == len(_URLS) + 1
    assert said == []
    assert page.locator("html").get_attribute("dir") == direction
    assert page.locator("img.logo").evaluate("logo => logo.complete && logo.naturalWidth > 0")
    context.close()


def test_a_code_stands_from_left_to_right_and_the_page_from_right_to_left(
    browser: Browser, serving: Callable[[ASGIApp], str], tmp_path: Path
) -> None:
    """Where Arabic is read, the code's first letters are still at its left, and the page begins at the right."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, extra_http_headers={"accept-language": "ar"})
    page = context.new_page()
    page.goto(serving(_application(tmp_path)) + _URLS["code"])
    # Where the first and last letters of the code are on the screen.
    at = page.evaluate(
        """() => {
          const text = document.querySelector(".code bdi").firstChild;
          return [0, text.length - 1].map(place => {
            const range = document.createRange();
            range.setStart(text, place);
            range.setEnd(text, place + 1);
            return range.getBoundingClientRect().left;
          });
        }"""
    )
    heading = page.locator("h1").bounding_box()

    assert at[0] < at[1]
    assert heading is not None
    assert at[1] > 390 / 2
    context.close()


def _problems(page: Page) -> list[str]:
    found = Axe().run(page, options={"runOnly": WCAG}).response["violations"]
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found] + (["scrolls sideways"] if wide else [])
