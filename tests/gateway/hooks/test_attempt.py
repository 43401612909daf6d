"""What a receiver's answer means."""

from collections.abc import Callable

import httpx
import pytest

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.hooks.attempt import Outcome, Poster
from latchstring_gateway.hooks.event import Event
from latchstring_gateway.hooks.registry import Hook

_EVENT = Event("evt_1", "device.removed", "ada", 1, "{}")
#: 2027-01-15 08:00:00 UTC, where the clock begins.
_SOON = "Fri, 15 Jan 2027 08:01:30 GMT"


async def _post(answer: Callable[[httpx.Request], httpx.Response], url: str = "https://9.9.9.9/") -> Outcome:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        return await Poster(client, ManualClock()).post(Hook("hook_1", url, "whsec_AAAA", 1), _EVENT)


@pytest.mark.parametrize(
    ("status", "retry_after", "kind", "seconds"),
    [
        (200, "", "delivered", 0),
        (299, "9", "delivered", 0),
        (302, "", "refused", 0),
        (400, "", "refused", 0),
        (410, "30", "gone", 0),
        (429, "30", "busy", 30),
        (503, _SOON, "busy", 90),
        (503, "", "refused", 0),
        (500, "7", "refused", 7),
        (503, "99999999999999999999", "busy", 3_600),
        (503, "-5", "refused", 0),
        (503, "Fri, 99 Jan 2027 99:99:99 GMT", "refused", 0),
        (503, "\u0663", "refused", 0),
    ],
)
async def test_a_status_means(status: int, retry_after: str, kind: str, seconds: float) -> None:
    """Seconds or a date, an hour at most; what is neither is nothing."""
    headers = {b"retry-after": retry_after.encode()} if retry_after else {}
    outcome = await _post(lambda _request: httpx.Response(status, headers=headers))

    assert (outcome.kind, outcome.retry_after_seconds) == (kind, seconds)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (httpx.ConnectError("x"), "unreachable"),
        (httpx.ConnectTimeout("x"), "unreachable"),
        (httpx.ReadTimeout("x"), "refused"),
        (httpx.RemoteProtocolError("x"), "refused"),
        (RuntimeError("the handler is closed"), "refused"),
        (UnicodeError("x"), "refused"),
    ],
)
async def test_whatever_the_client_raises_is_an_outcome(fault: Exception, kind: str) -> None:
    """One receiver's trouble ended the deliverer's turn for all."""

    def broken(_request: httpx.Request) -> httpx.Response:
        raise fault

    assert (await _post(broken)).kind == kind


async def test_a_url_that_cannot_be_used_is_not_tried() -> None:
    """Rows of an older release may hold any."""
    outcome = await _post(lambda _request: httpx.Response(204), "https://receiver.example:99999/")

    assert outcome.kind == "unusable"
