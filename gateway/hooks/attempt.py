"""One attempt: an event is posted to a hook, signed, and what became of that is put into words."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal, TypeAlias

import httpx
from standardwebhooks import Webhook

from ..clock import Clock
from ..errors import BadRequest
from .address import PRIVATE, HookAddressError, check
from .event import Event
from .registry import Hook

#: How long a receiver may take for one event, from the connection to the status.
ATTEMPT_SECONDS: Final = 10.0
#: The longest wait that a receiver can ask for.
LONGEST_RETRY_AFTER_SECONDS: Final = 3_600.0

#: "refused": this event, for all that is known. "unreachable": nobody took the connection. "busy": the receiver asks
#: for a pause. "gone" and "unusable": nothing more is to be sent there.
Kind: TypeAlias = Literal["delivered", "refused", "unreachable", "busy", "gone", "unusable"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt, why, and for how long the receiver wants to be left alone."""

    kind: Kind
    reason: str = ""
    retry_after_seconds: float = 0.0


class Poster:
    """Posts events."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def post(self, hook: Hook, event: Event) -> Outcome:
        """Offer one event; only the status of the answer counts. Never raises for anything a receiver or URL is."""
        now = datetime.fromtimestamp(self._clock.wall_ms() / 1000, UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(hook.secret).sign(event.id, now, event.body),
        }
        try:
            check(hook.url)
            # The body of the answer is not read: it could be endless.
            async with (
                asyncio.timeout(ATTEMPT_SECONDS),
                self._client.stream(
                    "POST",
                    hook.url,
                    content=event.body.encode(),
                    headers=headers,
                    extensions={PRIVATE: hook.private, **_timeouts()},
                ) as answer,
            ):
                pass
        except BadRequest as wrong:
            return Outcome("unusable", f"its URL cannot be used: {wrong.detail}")
        except HookAddressError as wrong:
            return Outcome("unusable", f"its URL cannot be used: {wrong}")
        except (httpx.ConnectError, httpx.ConnectTimeout) as fault:
            return Outcome("unreachable", f"no connection ({type(fault).__name__})")
        except (httpx.HTTPError, httpx.StreamError, TimeoutError, OSError) as fault:
            return Outcome("refused", f"no answer ({type(fault).__name__})")
        except Exception as fault:
            # A URL or an answer that the client library cannot bear is this hook's trouble alone.
            return Outcome("refused", f"the client failed ({type(fault).__name__})")
        return self._judged(answer)

    def _judged(self, answer: httpx.Response) -> Outcome:
        if answer.is_success:
            return Outcome("delivered")
        reason = f"answered {answer.status_code}"
        if answer.status_code == 410:
            return Outcome("gone", "answered 410 Gone")
        wait_seconds = _retry_after(answer.headers.get("retry-after", ""), self._clock.wall_ms())
        if wait_seconds and answer.status_code in (429, 503):
            return Outcome("busy", reason, wait_seconds)
        return Outcome("refused", reason, wait_seconds)


def _timeouts() -> dict[str, object]:
    return {"timeout": httpx.Timeout(ATTEMPT_SECONDS).as_dict()}


def _retry_after(text: str, now_ms: int) -> float:
    """Seconds, or a date (RFC 9110 section 10.2.3); 0 for neither, never more than an hour."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), LONGEST_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
        seconds = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now_ms / 1000
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
