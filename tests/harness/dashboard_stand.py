"""The dashboard over a small warehouse of two lively weeks, and a key to it; without a store."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from harness import warehouse
from harness.pages import pages
from latchstring_gateway.clock import Clock, SystemClock
from latchstring_gateway.dashboard.door import Door
from latchstring_gateway.dashboard.page import Dashboard
from latchstring_gateway.errors import NotSignedIn
from latchstring_gateway.pages.static import static_routes
from latchstring_gateway.reports.asking import Reports
from latchstring_gateway.reports.question import Defaults
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyfile import KeyState, RingKey
from latchstring_gateway.tokens.keyring import KeyRing

KEY_ID = "A" * 22
KEY = f"lsk_{KEY_ID}_{'s' * 43}"
DAY_MS = 86_400_000

_LONG = "/watch/a-very-long-title-that-somebody-was-pleased-with/season-2/episode-11"
_PAGES = (
    "/", "/watch/the-lighthouse", "/watch/northern-harbour", "/search", _LONG, "/account", "/watch/kitchen-table",
    "/blog/how-we-film", "/צפייה/המגדלור", "/help", "/sign-up",
)  # fmt: skip
_DEVICES = ("tv", "phone", "tv", "computer", "tablet", "console", "phone", "tv")
#: How many watch, by hour of the day.
_EVENING = (2, 1, 1, 0, 0, 1, 2, 4, 5, 5, 6, 7, 9, 8, 7, 8, 10, 13, 17, 22, 26, 24, 15, 6)


class MemoryKeys:
    """Service keys that are there: one, until it is revoked."""

    def __init__(self) -> None:
        self.there = True

    async def check(self, authorization: str, *, for_reports: bool = False) -> str:
        """See `ServiceKeys.check`."""
        if authorization != f"Bearer {KEY}" or not (self.there and for_reports):
            raise NotSignedIn("bad_service_credential", "expected a service key")
        return KEY_ID

    async def has(self, key_id: str) -> bool:
        """See `ServiceKeys.has`."""
        return self.there and key_id == KEY_ID


def application(
    data_dir: Path,
    keys: MemoryKeys | None = None,
    clock: Clock | None = None,
    defaults: Defaults = Defaults(),  # noqa: B008 - it never changes
) -> Starlette:
    """The dashboard and its style sheets."""
    clock = clock or SystemClock()
    ring = KeyRing((RingKey("key1", KeyState.ACTIVE, 0, 0, b"k" * 32),), clock)
    dashboard = Dashboard(
        door=Door(keys or MemoryKeys(), Codec(ring), clock),
        reports=Reports(data_dir, memory_mb=512, seconds=60),
        clock=clock,
        pages=pages(),
        defaults=defaults,
    )
    return Starlette(routes=[*dashboard.routes(), *static_routes()])


def fill(data_dir: Path, *, days: int = 14, now_ms: int | None = None) -> None:
    """Commit what happened in so many days up to now, the same at each call."""
    chance = random.Random(7)
    now_ms = SystemClock().wall_ms() if now_ms is None else now_ms
    for back in range(days):
        midnight = (now_ms // DAY_MS - back) * DAY_MS
        warehouse.commit(data_dir, [e for e in _day(chance, midnight, back) if e["received_at"] <= now_ms])
    recent = [_view(chance, now_ms - chance.randrange(1_700_000), chance.randrange(90)) for _ in range(240)]
    warehouse.commit(data_dir, recent)


def _day(chance: random.Random, midnight: int, back: int) -> Iterator[dict[str, Any]]:
    busy = 1.4 if (midnight // DAY_MS + 4) % 7 in (0, 6) else 1.0 - 0.02 * back
    for hour, many in enumerate(_EVENING):
        for number in range(int(many * busy)):
            at, visitor = midnight + hour * 3_600_000 + chance.randrange(3_000_000), chance.randrange(160)
            yield _view(chance, at, visitor)
            yield _view(chance, at + 20_000, visitor)
            if chance.random() < 0.35:
                yield {**_view(chance, at + 40_000, visitor), "type": "click", "link": "https://shop.example/posters"}
            if chance.random() < 0.12:
                yield {**_view(chance, at + 60_000, visitor), "type": "conversion"}
            if chance.random() < 0.2:
                yield {**_view(chance, at, visitor), "machine": "bot", "device_kind": "bot"}
            yield from _viewing(chance, at, visitor, f"{midnight}-{hour}-{number}")


def _view(chance: random.Random, at: int, visitor: int) -> dict[str, Any]:
    return {
        "received_at": at,
        "page": _PAGES[min(int(chance.expovariate(0.45)), len(_PAGES) - 1)],
        "device_kind": _DEVICES[visitor % len(_DEVICES)],
        "country": "NL" if visitor % 3 else "DE",
        "visitor": str(visitor) if visitor % 4 else None,
        "campaign": "autumn" if visitor % 5 == 0 else None,
    }


def _viewing(chance: random.Random, at: int, visitor: int, name: str) -> Iterator[dict[str, Any]]:
    lost = chance.random() < 0.15
    for ping in range(chance.randrange(1, 9)):
        if not (lost and ping == 2):
            yield {
                **_view(chance, at + ping * 300_000, visitor),
                "type": "heartbeat",
                "media": "the-lighthouse",
                "viewing": name,
                "ping": ping,
                "position_ms": ping * 300_000,
                "play_state": "playing",
            }
