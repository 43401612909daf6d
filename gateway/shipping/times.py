"""When an event happened and whether it came late, by its tracker's clock and by ours."""

from typing import Final

#: Received later than this after it happened, an event is marked `late`, in milliseconds.
LATE_AFTER_MS: Final = 3_600_000


def lateness(received_at_ms: int, occurred_at_ms: int | None, sent_at_ms: int | None) -> bool | None:
    """The value of `late`. Where the tracker said when it sent, its own clock measures, right or wrong as it may be."""
    if occurred_at_ms is None:
        return None
    return (received_at_ms if sent_at_ms is None else sent_at_ms) - occurred_at_ms > LATE_AFTER_MS


def happened_at(received_at_ms: int, occurred_at_ms: int | None, sent_at_ms: int | None) -> int | None:
    """The value of `happened_at`: as long before the receipt as the tracker waited with sending, by its own clock.

    Without `sent_at` its clock is believed; nothing has happened later than it was received.
    """
    if occurred_at_ms is None:
        return None
    off_ms = 0 if sent_at_ms is None else received_at_ms - sent_at_ms
    return max(0, min(occurred_at_ms + off_ms, received_at_ms))
