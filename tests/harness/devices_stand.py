"""A manage-devices page on an in-memory registry: for tests of the page itself, by HTTP client and by browser."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from harness.pages import pages
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.devices import page
from latchstring_gateway.devices.place import Places
from latchstring_gateway.devices.registry import MAX_LISTED, DeviceRow, checked_name
from latchstring_gateway.errors import EdgeError, NotFound
from latchstring_gateway.pages.render import Pages
from latchstring_gateway.pages.static import static_routes
from latchstring_gateway.revocation.receipt import Missing, Receipt
from latchstring_gateway.sessions.page import forget_browser

NOW_MS = 1_795_474_800_000  # Monday 23 November 2026, 23:00 UTC
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

COMPLETE = Receipt("07.AAAAAAAAAAAAAAAAAAAAAA", "complete", applied=12, workers=12, elapsed_ms=4.2, durable=True)
PARTIAL = Receipt(
    "07.BBBBBBBBBBBBBBBBBBBBBB",
    "partial",
    applied=11,
    workers=12,
    elapsed_ms=1_104.0,
    durable=True,
    missing=(Missing("worker-7", NOW_MS + 66_000),),
    certain_at_ms=NOW_MS + 66_000,
)


def row(
    id: str,  # noqa: A002 - the registry's name
    name: str,
    kind: str = "computer",
    model: str = "",
    os: str = "",
    client: str = "",
    *,
    first_seen_ms: int = NOW_MS - 40 * DAY_MS,
    last_seen_ms: int = NOW_MS - DAY_MS,
    place: str = "203.0.113.0/24",
    remembered: bool = True,
    reuse_at_ms: int = 0,
) -> DeviceRow:
    """A device row of somebody who uses few words."""
    return DeviceRow(
        id, name, kind, model, os, client, first_seen_ms, last_seen_ms, place, remembered, "active", reuse_at_ms
    )


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What the gate puts into the scope."""

    account: str = "mia@example.com"
    session: str = "S" * 22
    device: str = "this"
    level: str = "fresh"
    authenticated_at_ms: int = NOW_MS


THIS = row("this", "Firefox on Linux", client="Firefox 143", os="Linux", last_seen_ms=NOW_MS)
FAMILY = [
    THIS,
    row(
        "tv", "Living-room TV", "tv", model="Samsung QE55", os="Tizen 7",
        last_seen_ms=NOW_MS - 2 * HOUR_MS - 40 * MINUTE_MS,
    ),
    row("phone", "Mia's phone", "phone", "Pixel 9", "Android 16", "Chrome 142", last_seen_ms=NOW_MS - 12 * MINUTE_MS),
    row("console", "PlayStation upstairs", "console", "PlayStation 5", last_seen_ms=NOW_MS - 4 * DAY_MS),
    row("tablet", "Kitchen tablet", "tablet", "iPad", "iPadOS 26", "Safari", remembered=False, place="2001:db8::/48"),
    row("stick", "Holiday-house stick", "stick", "Fire TV Stick 4K", last_seen_ms=NOW_MS - 130 * DAY_MS, place=""),
    row("other", "Unknown device", "other", last_seen_ms=NOW_MS - 400 * DAY_MS, first_seen_ms=NOW_MS - 500 * DAY_MS),
]  # fmt: skip
STRANGE = [
    THIS,
    row("long", "W" * 60, "tv", model="A model name that somebody at the factory had much fun with, edition 2026"),
    row("rtl", "תלוויזיה בסלון", "tv", model="LG OLED", os="webOS 24"),
    row("rtl2", "هاتف مريم (الجديد)", "phone", os="Android 16", client="Chrome 142"),
    row("markup", '<script>alert("1")</script>', "console"),
    row("reused", "Study computer", "computer", "", "Windows", "Edge", reuse_at_ms=NOW_MS - 3 * HOUR_MS),
    row("emoji", "👩‍👩‍👧 TV 🛋️", "tv"),
]
MANY = [THIS, *(replace(FAMILY[1 + n % 6], id=f"d{n}", name=f"{FAMILY[1 + n % 6].name} {n}") for n in range(29))]


@dataclass
class MemoryDevices:
    """The three things that the page asks for, kept in a list."""

    rows: list[DeviceRow] = field(default_factory=lambda: list(FAMILY))
    receipt: Receipt = COMPLETE
    failing: EdgeError | None = None
    reasons: list[str] = field(default_factory=list)
    page: int = 200

    async def rename(self, account: str, device_id: str, name: str) -> None:
        """See `page.DevicesForPage`."""
        self._fail()
        if device_id not in [one.id for one in self.rows]:
            raise NotFound("no_such_device", "no such device")
        self.rows = [replace(one, name=checked_name(name)) if one.id == device_id else one for one in self.rows]

    async def remove(self, account: str, device_ids: list[str], *, reason: str) -> Receipt:
        """See `page.DevicesForPage`."""
        self._fail()
        self.reasons.append(reason)
        self.rows = [one for one in self.rows if one.id not in device_ids]
        return self.receipt

    async def list(self, account: str, *, after: str = "", limit: int = MAX_LISTED) -> Sequence[DeviceRow]:
        """See `page.DevicesForPage`."""
        self._fail()
        places = [one.position for one in self.rows]
        begin = places.index(after) + 1 if after else 0
        return self.rows[begin : begin + min(self.page, limit)]

    async def ids(self, account: str) -> Sequence[str]:
        """See `page.DevicesForPage`."""
        return [one.id for one in self.rows]

    async def find(self, account: str, device_id: str) -> DeviceRow | None:
        """See `page.DevicesForPage`."""
        return next((one for one in self.rows if one.id == device_id), None)

    def _fail(self) -> None:
        if self.failing is not None:
            raise self.failing


def open_gate(app: ASGIApp) -> ASGIApp:
    """A gate that takes everybody for the same visitor."""

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "latch": SignedIn()}, receive, send)

    return gate


def application(
    devices: MemoryDevices,
    gate: Callable[[ASGIApp], ASGIApp] = open_gate,
    *,
    languages: str = "en",
    places: Places | None = None,
) -> Starlette:
    """The page and its style sheet."""
    shown_as = pages("Lantern", languages)
    return Starlette(routes=[*device_routes(devices, shown_as, gate, places=places), *static_routes()])


def device_routes(
    devices: MemoryDevices,
    shown_as: Pages,
    gate: Callable[[ASGIApp], ASGIApp] = open_gate,
    *,
    places: Places | None = None,
) -> list[Route]:
    """The page alone, in the languages and with the look of `shown_as`."""
    return page.routes(
        devices=devices,
        places=places or Places(),
        gate=gate,
        forget_browser=forget_browser,
        pages=shown_as,
        clock=ManualClock(NOW_MS),
    )
