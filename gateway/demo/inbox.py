"""The hooks the website received: checked by the Standard Webhooks library, the last twenty kept in memory."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from standardwebhooks import Webhook, WebhookVerificationError

KEPT: Final = 20

_WORDS: Final = {
    "device.removed": "A device was signed out",
    "device.added": "A new device signed in",
    "session.started": "Somebody signed in",
    "session.ended": "A sign-in ended",
    "account.signed_out": "Everything was signed out",
    "credential.reuse": "A copied sign-in was refused",
}


@dataclass(frozen=True, slots=True)
class Received:
    """One event as it came."""

    id: str
    type: str
    account: str
    at_ms: int
    data: dict[str, Any]

    @property
    def words(self) -> str:
        """The event as people say it; an unknown type stays as it is."""
        return _WORDS.get(self.type, self.type)


class Inbox:
    """Takes each event once, however often it is delivered."""

    def __init__(self, secret: str) -> None:
        self._webhook = Webhook(secret)
        self._events: deque[Received] = deque(maxlen=KEPT)

    def take(self, body: bytes, headers: dict[str, str]) -> bool:
        """Keep an event; False if its signature, age or form is not right."""
        try:
            event = self._webhook.verify(body, headers)
            received = _read(headers["webhook-id"], event)
        except (WebhookVerificationError, ValueError, KeyError, TypeError):
            return False
        if all(known.id != received.id for known in self._events):
            self._events.appendleft(received)
        return True

    def of(self, account: str) -> list[Received]:
        """The account's events, the newest first."""
        return [event for event in self._events if event.account == account]


def _read(event_id: str, event: dict[str, Any]) -> Received:
    data = dict(event["data"])
    at_ms = round(datetime.fromisoformat(event["timestamp"]).timestamp() * 1_000)
    return Received(event_id, str(event["type"]), str(data["account"]), at_ms, data)
