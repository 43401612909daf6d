"""Times of events: late or not, and when by our clock."""

import pytest

from latchstring_gateway.shipping.times import LATE_AFTER_MS, happened_at, lateness


@pytest.mark.parametrize(
    ("received", "occurred", "sent", "late"),
    [
        (LATE_AFTER_MS, None, None, None),
        (LATE_AFTER_MS, None, 5, None),
        (LATE_AFTER_MS, 0, None, False),
        (LATE_AFTER_MS + 1, 0, None, True),
        (0, 5, None, False),
        (LATE_AFTER_MS * 9, 5, LATE_AFTER_MS, False),
        (0, 0, LATE_AFTER_MS + 1, True),
    ],
)
def test_late_is_measured_by_one_clock(received: int, occurred: int, sent: int | None, late: bool | None) -> None:
    """The tracker's own clock if it says when it sent, else ours against its; not known if it says nothing."""
    assert lateness(received, occurred, sent) is late


@pytest.mark.parametrize(
    ("occurred", "sent", "expected"),
    [
        (None, None, None),
        (None, 5_000, None),
        (7_000, None, 7_000),
        (10_001, None, 10_000),
        # A clock that is an hour ahead, one that stands at 1970, and one that was set between event and sending.
        (3_605_000, 3_609_000, 6_000),
        (500, 1_500, 9_000),
        (5_000, 4_000, 10_000),
        (0, 99_000, 0),
    ],
)
def test_time_of_an_event_is_corrected_by_when_it_was_sent(
    occurred: int | None, sent: int | None, expected: int | None
) -> None:
    """Received at 10 s: as long before that as the tracker waited, whatever its clock shows."""
    assert happened_at(10_000, occurred, sent) == expected
