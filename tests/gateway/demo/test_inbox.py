"""Hooks as the demo's website receives them."""

import base64
import json
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from latchstring_gateway.demo.inbox import KEPT, Inbox

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


def event(
    event_id: str, *, account: str = "mia@example.com", age: timedelta = timedelta()
) -> tuple[bytes, dict[str, str]]:
    """A signed event as the deliverer posts it."""
    at = datetime.now(UTC) - age
    data = {"account": account, "device": "D" * 22}
    body = json.dumps({"type": "device.removed", "timestamp": at.isoformat(), "data": data})
    signature = Webhook(SECRET).sign(event_id, at, body)
    stamp = str(int(at.timestamp()))
    return body.encode(), {"webhook-id": event_id, "webhook-timestamp": stamp, "webhook-signature": signature}


def test_a_signed_event_is_kept_for_its_account() -> None:
    """Words, type and account are read; another account does not see it."""
    inbox = Inbox(SECRET)

    taken = inbox.take(*event("evt_1"))

    assert taken
    assert [one.words for one in inbox.of("mia@example.com")] == ["A device was signed out"]
    assert inbox.of("noor@example.com") == []


def test_an_event_that_comes_again_is_kept_once() -> None:
    """Delivery is at least once; a repeat is thanked for and dropped."""
    inbox = Inbox(SECRET)

    assert inbox.take(*event("evt_1"))
    assert inbox.take(*event("evt_1"))
    assert len(inbox.of("mia@example.com")) == 1


def test_a_bad_event_is_refused() -> None:
    """Altered, unsigned, too old, or without the members that every event has."""
    inbox = Inbox(SECRET)
    body, headers = event("evt_1")

    assert not inbox.take(body + b" ", headers)
    assert not inbox.take(body, {})
    assert not inbox.take(body, {**headers, "webhook-signature": "v1,AAAA"})
    assert not inbox.take(body, {**headers, "webhook-signature": "nonsense"})
    assert not inbox.take(*event("evt_2", age=timedelta(minutes=6)))
    assert inbox.of("mia@example.com") == []


def test_only_the_last_events_are_kept() -> None:
    """Memory is bounded, the newest comes first."""
    inbox = Inbox(SECRET)

    for number in range(KEPT + 5):
        inbox.take(*event(f"evt_{number}"))

    ids = [one.id for one in inbox.of("mia@example.com")]
    assert len(ids) == KEPT
    assert ids[0] == f"evt_{KEPT + 4}"
