"""The walk through the story in a headless Chromium, each step timed, with one verdict at the end."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright, expect

from ..clock import SystemClock
from .catalogue import MEMBERS, TITLES

_FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
_PATIENCE_SECONDS: Final = 30.0
# Not the browser's own: a headless one says so, and reports count it as a bot.
_COMPUTER: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
_PHONE: Final = (
    "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Mobile Safari/537.36"
)
#: The film's page is opened after signing in and once more, and plays once: its first heartbeat comes at once.
_VIEWS: Final = 2
_HITS: Final = _VIEWS + 1
_TITLE: Final = TITLES[0]
_MEMBER: Final = MEMBERS[0]


class StepFailed(Exception):
    """A step of the story did not hold; the message says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Story:
    """Where to walk, with which browser, and how to run `latchstring` commands on the demo's data."""

    origin: str
    chromium: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


async def walk(story: Story, say: Callable[[str], object]) -> int:
    """Go through the story; 0 if every step held, 1 at the first that did not."""
    clock = SystemClock()
    begun_ns = clock.boot_ns()
    say(f"Walking the story at {story.origin}:")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=story.chromium, args=list(_FLAGS))
        try:
            walker = _Walker(story, await _context(browser, _COMPUTER), await _context(browser, _PHONE))
            for name, step in await walker.steps():
                step_ns = clock.boot_ns()
                try:
                    said = await step()
                except (StepFailed, AssertionError, Error, TimeoutError) as error:
                    say(f"  ✗ {name}: {str(error).strip().splitlines()[0]}")
                    say(f"VERDICT: FAILED at “{name}”")
                    return 1
                seconds = (clock.boot_ns() - step_ns) / 1e9
                say(f"  ✓ {name}{f': {said}' if said else ''} ({seconds:.1f} s)")
        finally:
            await browser.close()
    say(f"VERDICT: passed, the whole story in {(clock.boot_ns() - begun_ns) / 1e9:.1f} s")
    return 0


async def _context(browser: Browser, user_agent: str) -> BrowserContext:
    # The certificate is of the demo's own authority, which no browser knows; run.py has checked it against its root.
    context = await browser.new_context(ignore_https_errors=True, user_agent=user_agent)
    context.set_default_timeout(_PATIENCE_SECONDS * 1_000)
    return context


_Step = tuple[str, Callable[[], Awaitable[str]]]


class _Walker:
    """Two browsers of one person: a computer, and a phone that will be lost."""

    def __init__(self, story: Story, computer: BrowserContext, phone: BrowserContext) -> None:
        self._story = story
        self._contexts = (computer, phone)
        self._pages: list[Page] = []
        # The data directory may hold what earlier walks left; only what this one adds proves anything.
        self._views_before = 0
        self._good_before = 0

    async def steps(self) -> list[_Step]:
        """The story in order; every step returns what is worth saying."""
        self._pages = [await context.new_page() for context in self._contexts]
        return [
            ("report and ledger answer", self._read_counts),
            ("a stranger who wants to watch is sent to the sign-in page", self._stranger),
            ("signs in on a computer with the box ticked, and lands on the film", self._sign_in_computer),
            ("watches: the page tells of the view and of the viewing", self._watch),
            ("sees this browser on the devices page", self._sees_itself),
            ("signs in on a phone as well", self._sign_in_phone),
            ("removes the phone from the computer, with a receipt", self._remove_phone),
            ("the phone is out at once", self._phone_is_out),
            ("the computer stays signed in", self._computer_stays),
            ("the website was told by a signed hook", self._hook),
            ("the report counts the film", self._report),
            ("the ledger adds up", self._ledger),
        ]

    @property
    def _computer(self) -> Page:
        return self._pages[0]

    @property
    def _phone(self) -> Page:
        return self._pages[1]

    def _url(self, path: str) -> str:
        return self._story.origin + path

    async def _read_counts(self) -> str:
        self._views_before = await self._views()
        self._good_before = (await self._command("ledger", "--json"))["total"]["good"]
        return f"{self._good_before} hits of earlier walks"

    async def _stranger(self) -> str:
        await self._computer.goto(self._url(f"/watch/{_TITLE.slug}"))
        _require("/sign-in?return=" in self._computer.url, f"expected the sign-in page, got {self._computer.url}")
        return ""

    async def _sign_in_computer(self) -> str:
        await _sign_in(self._computer, remember=True)
        await expect(self._computer.get_by_role("heading", level=1)).to_have_text(_TITLE.name)
        session = [one for one in await self._contexts[0].cookies() if one["name"] == "__Host-session"]
        _require(len(session) == 1, f"expected one session cookie, got {len(session)}")
        days = (session[0]["expires"] - SystemClock().wall_ms() / 1_000) / 86_400
        _require(days > 1, "expected a cookie that outlives the browser, since the box was ticked")
        return f"the cookie lasts {days:.0f} days"

    async def _watch(self) -> str:
        page = self._computer
        async with page.expect_response(lambda answer: answer.url.endswith("/b")) as view:
            await page.reload()
        async with page.expect_response(lambda answer: answer.url.endswith("/b")) as heartbeat:
            await page.get_by_role("button", name="Play").click()
        statuses = [(await view.value).status, (await heartbeat.value).status]
        _require(statuses == [204, 204], f"expected the beacons to be answered 204, got {statuses}")
        return "204 for both"

    async def _sees_itself(self) -> str:
        await self._computer.goto(self._url("/account"))
        await self._computer.get_by_role("link", name="Manage devices").click()
        name = self._computer.locator(".card-this h3")
        await expect(name).to_have_count(1)
        return await name.inner_text()

    async def _sign_in_phone(self) -> str:
        await self._phone.goto(self._url("/sign-in"))
        await _sign_in(self._phone, remember=True)
        await self._phone.goto(self._url("/account"))
        await expect(self._phone.get_by_role("heading", level=1)).to_have_text("Your account")
        return ""

    async def _remove_phone(self) -> str:
        page = self._computer
        await page.goto(self._url("/latch/devices"))
        await page.get_by_role("link", name="Sign out this phone").first.click()
        await page.get_by_role("button", name="Sign out this phone").click()
        sentence = (await page.get_by_role("status").inner_text()).replace("\N{NO-BREAK SPACE}", " ")
        _require("is signed out everywhere" in sentence, f"expected a complete receipt, got: {sentence}")
        return sentence

    async def _phone_is_out(self) -> str:
        await self._phone.goto(self._url("/account"))
        _require("/sign-in" in self._phone.url, f"expected the sign-in page, got {self._phone.url}")
        return ""

    async def _computer_stays(self) -> str:
        await self._computer.goto(self._url("/account"))
        await expect(self._computer.get_by_role("heading", level=1)).to_have_text("Your account")
        return ""

    async def _hook(self) -> str:
        page = self._computer

        async def shown() -> bool:
            await page.goto(self._url("/account"))
            return await page.get_by_text("device.removed").count() > 0

        await _until(shown, "the hook device.removed on the account page")
        return "device.removed"

    async def _report(self) -> str:
        path = f"/watch/{_TITLE.slug}"

        expected = self._views_before + _VIEWS

        async def counted() -> bool:
            return await self._views() >= expected

        await _until(counted, f"{expected} views of {path} in the report")
        views = await self._views()
        _require(views == expected, f"expected {expected} views, got {views}")
        return f"{path}, {_VIEWS} views more than before"

    async def _ledger(self) -> str:
        ledger = await self._command("ledger", "--json")
        total = ledger["total"]
        _require(ledger["adds_up"], f"expected no problem, got {ledger['problems']}")
        more = total["good"] - self._good_before
        _require(more >= _HITS, f"expected at least {_HITS} more good hits, got {more}")
        return f"{total['received']} received, {total['good']} good, {total['pending']} pending"

    async def _views(self) -> int:
        """How often the film was seen, as the report has it now."""
        report = await self._command("report", "pages", "--json")
        return next((int(row["net"]) for row in report["rows"] if row["page"] == f"/watch/{_TITLE.slug}"), 0)

    async def _command(self, *arguments: str) -> Any:
        """What `latchstring ARGUMENTS` prints as JSON. Raises StepFailed if it does not end with 0."""
        process = await asyncio.create_subprocess_exec(
            *self._story.command,
            *arguments,
            env={**os.environ, **self._story.environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode != 0:
            last = err.decode(errors="replace").strip().splitlines()[-1:] or ["nothing on stderr"]
            raise StepFailed(f"latchstring {' '.join(arguments)} ended with {process.returncode}: {last[0]}")
        return json.loads(out)


async def _sign_in(page: Page, *, remember: bool) -> None:
    await page.get_by_label("E-mail address").fill(_MEMBER.email)
    await page.get_by_label("Password").fill(_MEMBER.password)
    await page.get_by_label("Remember me on this computer").set_checked(remember)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(lambda url: "/sign-in" not in url and "/latch/" not in url)


async def _until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    clock = SystemClock()
    deadline_ns = clock.boot_ns() + round(_PATIENCE_SECONDS * 1e9)
    while not await holds():
        if clock.boot_ns() > deadline_ns:
            raise StepFailed(f"waited {_PATIENCE_SECONDS:.0f} s in vain for {what}")
        await asyncio.sleep(0.2)


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001  reads as the assertion it is
    if not holds:
        raise StepFailed(otherwise)
