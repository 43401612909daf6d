"""A manage-devices page on an in-memory registry: for tests of the page itself, by HTTP client and by browser."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.devices import page
from latchstring_gateway.errors import EdgeError, NotFound
from latchstring_gateway.pages.static import static_routes
from latchstring_gateway.revocation.receipt import Missing, Receipt

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


@dataclass(frozen=True, slots=True)
class Row:
    """A device row in the shape of the registry's."""

    id: str
    name: str
    kind: str = "computer"
    model: str = ""
    os: str = ""
    client: str = ""
    first_seen_ms: int = NOW_MS - 40 * DAY_MS
    last_seen_ms: int = NOW_MS - DAY_MS
    place: str = "203.0.113.0/24"
    remembered: bool = True
    state: str = "active"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What the gate puts into the scope."""

    account: str = "mia@example.com"
    session: str = "S" * 22
    device: str = "this"
    level: str = "fresh"
    authenticated_at_ms: int = NOW_MS


THIS = Row("this", "Firefox on Linux", client="Firefox 143", os="Linux", last_seen_ms=NOW_MS)
FAMILY = [
    THIS,
    Row(
        "tv", "Living-room TV", "tv", model="Samsung QE55", os="Tizen 7",
        last_seen_ms=NOW_MS - 2 * HOUR_MS - 40 * MINUTE_MS,
    ),
    Row("phone", "Mia's phone", "phone", "Pixel 9", "Android 16", "Chrome 142", last_seen_ms=NOW_MS - 12 * MINUTE_MS),
    Row("console", "PlayStation upstairs", "console", "PlayStation 5", last_seen_ms=NOW_MS - 4 * DAY_MS),
    Row("tablet", "Kitchen tablet", "tablet", "iPad", "iPadOS 26", "Safari 26", place="2001:db8:12::/48"),
    Row("stick", "Holiday-house stick", "stick", "Fire TV Stick 4K", last_seen_ms=NOW_MS - 130 * DAY_MS, place=""),
    Row("other", "Unknown device", "other", last_seen_ms=NOW_MS - 400 * DAY_MS, first_seen_ms=NOW_MS - 500 * DAY_MS),
]  # fmt: skip
STRANGE = [
    THIS,
    Row("long", "W" * 60, "tv", model="A model name that somebody at the factory had much fun with, edition 2026"),
    Row("rtl", "תלוויזיה בסלון", "tv", model="LG OLED", os="webOS 24"),
    Row("rtl2", "هاتف مريم (الجديد)", "phone", os="Android 16", client="Chrome 142"),
    Row("markup", '<script>alert("1")</script>', "console"),
    Row("emoji", "👩‍👩‍👧 TV 🛋️", "tv"),
]
MANY = [THIS, *(replace(FAMILY[1 + n % 6], id=f"d{n}", name=f"{FAMILY[1 + n % 6].name} {n}") for n in range(29))]


@dataclass
class MemoryDevices:
    """The three things that the page asks for, kept in a list."""

    rows: list[Row] = field(default_factory=lambda: list(FAMILY))
    receipt: Receipt = COMPLETE
    failing: EdgeError | None = None

    async def rename(self, account: str, device_id: str, name: str) -> None:
        """See `page.DevicesForPage`."""
        self._fail()
        if device_id not in [row.id for row in self.rows]:
            raise NotFound("no_such_device", "no such device")
        self.rows = [replace(row, name=name) if row.id == device_id else row for row in self.rows]

    async def remove(self, account: str, device_ids: list[str]) -> Receipt:
        """See `page.DevicesForPage`."""
        self._fail()
        self.rows = [row for row in self.rows if row.id not in device_ids]
        return self.receipt

    async def list(self, account: str) -> list[Row]:
        """See `page.DevicesForPage`."""
        self._fail()
        return list(self.rows)

    def _fail(self) -> None:
        if self.failing is not None:
            raise self.failing


def open_gate(app: ASGIApp) -> ASGIApp:
    """A gate that takes everybody for the same visitor."""

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "latch": SignedIn()}, receive, send)

    return gate


def application(devices: MemoryDevices, gate: Callable[[ASGIApp], ASGIApp] = open_gate) -> Starlette:
    """The page and its style sheet."""
    routes = page.routes(devices=devices, gate=gate, site_name="Lantern", clock=ManualClock(NOW_MS))
    return Starlette(routes=[*routes, *static_routes()])
