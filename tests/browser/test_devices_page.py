"""The manage-devices pages in a real browser: accessible, usable by keyboard alone, without script, at any width."""

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from starlette.types import ASGIApp

from harness.devices_stand import FAMILY, MANY, PARTIAL, STRANGE, THIS, MemoryDevices, application
from latchstring_gateway.devices.registry import DeviceRow

pytestmark = pytest.mark.browser

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LISTS = {"one": [THIS], "family": FAMILY, "strange": STRANGE, "many": MANY}


@pytest.fixture(params=[(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")], ids=lambda p: f"{p[0]}-{p[1]}")
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page on phone and desktop, light and dark."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def narrow(browser: Browser) -> Iterator[Page]:
    """A page on a phone: the tightest."""
    context = browser.new_context(viewport={"width": 320, "height": 640})
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def plain(browser: Browser) -> Iterator[Page]:
    """A page in a browser that runs no script."""
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def violations(page: Page) -> list[str]:
    """What axe-core has against the page."""
    found = Axe().run(page, options={"runOnly": WCAG}).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found]


@pytest.mark.parametrize("rows", LISTS.values(), ids=LISTS)
def test_the_list_has_no_accessibility_violation(
    page: Page, serving: Callable[[ASGIApp], str], rows: list[DeviceRow]
) -> None:
    """WCAG 2.2 AA by axe-core, with one, some, strange and many devices, and with a rename form open."""
    page.goto(serving(application(MemoryDevices(list(rows)))) + "/latch/devices")

    assert violations(page) == []
    page.locator("summary").first.click()
    assert violations(page) == []


def test_question_receipts_and_error_have_no_accessibility_violation(
    page: Page, serving: Callable[[ASGIApp], str]
) -> None:
    """The pages behind the list: confirmation, complete and partial receipt, not found, refused name."""
    devices = MemoryDevices()
    base = serving(application(devices)) + "/latch/devices"
    found = []

    page.goto(f"{base}/tv/remove")
    found += violations(page)
    page.get_by_role("button", name="Sign out this TV").click()
    found += violations(page)
    devices.receipt = PARTIAL
    page.goto(f"{base}/phone/remove")
    page.get_by_role("button", name="Sign out this phone").click()
    page.locator("summary").click()
    found += violations(page)
    page.goto(f"{base}/gone/remove")
    found += violations(page)
    page.goto(base)
    page.locator("#d-console summary").click()
    page.fill("#name-console", "   ")
    page.get_by_role("button", name="Save name").click()
    expect(page.get_by_role("alert")).to_contain_text("Please give it a name.")
    found += violations(page)

    assert found == []


@pytest.mark.parametrize("rows", LISTS.values(), ids=LISTS)
def test_nothing_is_wider_than_the_window(
    narrow: Page, serving: Callable[[ASGIApp], str], rows: list[DeviceRow]
) -> None:
    """No sideways scrolling, whatever the names; also with text at 200 percent."""
    narrow.goto(serving(application(MemoryDevices(list(rows)))) + "/latch/devices")

    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert narrow.evaluate(overflow) == 0
    narrow.evaluate("document.documentElement.style.fontSize = '200%'")
    assert narrow.evaluate(overflow) == 0


def test_what_a_finger_must_hit_is_large_enough(narrow: Page, serving: Callable[[ASGIApp], str]) -> None:
    """Buttons, links that act and fields are at least 44 pixels high."""
    narrow.goto(serving(application(MemoryDevices())) + "/latch/devices")
    narrow.locator("summary").first.click()

    targets = narrow.locator(".button:visible, summary:visible, input[type=text]:visible, nav a, .brand").all()
    boxes = [box for target in targets if (box := target.bounding_box())]

    assert len(boxes) > 10
    assert min(box["height"] for box in boxes) >= 44


def test_everything_works_without_script(plain: Page, serving: Callable[[ASGIApp], str]) -> None:
    """Rename, remove, remove all others: plain forms."""
    devices = MemoryDevices()
    plain.goto(serving(application(devices)) + "/latch/devices")

    plain.locator("#d-tv summary").click()
    plain.fill("#name-tv", "Upstairs TV")
    plain.locator("#d-tv").get_by_role("button", name="Save name").click()
    expect(plain.get_by_role("status")).to_contain_text("Upstairs TV")
    plain.get_by_role("link", name="Sign out this TV (Upstairs TV)").click()
    plain.get_by_role("button", name="Sign out this TV").click()
    expect(plain.get_by_role("status")).to_contain_text(
        "Upstairs TV is signed out everywhere (12 of 12 servers confirmed"
    )
    plain.get_by_role("link", name="Back to your devices").click()
    plain.get_by_role("link", name="Sign out all other devices").click()
    plain.get_by_role("button", name="Sign out 5 other devices").click()

    assert [one.id for one in devices.rows] == ["this"]


def test_a_device_can_be_removed_by_keyboard_alone(narrow: Page, serving: Callable[[ASGIApp], str]) -> None:
    """The skip link comes first and leads to the content; links and buttons answer Enter."""
    devices = MemoryDevices()
    narrow.goto(serving(application(devices)) + "/latch/devices")

    narrow.keyboard.press("Tab")
    expect(narrow.get_by_role("link", name="Skip to the content")).to_be_focused()
    narrow.get_by_role("link", name="Sign out this TV").focus()
    narrow.keyboard.press("Enter")
    narrow.get_by_role("button", name="Sign out this TV").focus()
    narrow.keyboard.press("Enter")
    expect(narrow.get_by_role("status")).to_contain_text("signed out everywhere")

    assert "tv" not in [one.id for one in devices.rows]


def test_the_policy_blocks_nothing_of_ours(narrow: Page, serving: Callable[[ASGIApp], str]) -> None:
    """The browser reports no violation of the content security policy and asks no other host."""
    said: list[str] = []
    hosts: set[str] = set()
    narrow.on("console", lambda message: said.append(message.text))
    narrow.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    base = serving(application(MemoryDevices()))

    narrow.goto(base + "/latch/devices")
    narrow.goto(base + "/latch/devices/tv/remove")

    assert said == []
    assert hosts == {base.removeprefix("http://")}
