"""The fence and the store's time, as arithmetic."""

from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.revocation.fence import Fence, clocks_agree

_SECOND = 1_000_000_000


def test_a_new_fence_holds_for_nobody() -> None:
    """Before the first full heartbeat nothing is trusted and the store's time is unknown."""
    fence = Fence(1.0)

    assert fence.until_ns == 0
    assert fence.store_ms(5 * _SECOND) == 0


def test_it_holds_from_the_sending_and_not_from_the_answer() -> None:
    """A heartbeat that took long leaves the less: knowledge is as old as its sending."""
    fence = Fence(1.0)

    fence.renew(10 * _SECOND, 1_800_000_000_000)

    assert fence.until_ns == 11 * _SECOND


def test_dropping_it_keeps_the_last_contact() -> None:
    """A dropped fence trusts nothing, yet knows when the store was last heard: the outage rule counts from there."""
    fence = Fence(1.0)
    fence.renew(10 * _SECOND, 1_800_000_000_000)

    fence.drop()

    assert fence.until_ns == 0
    assert (fence.contact_ns, fence.contact_store_ms) == (10 * _SECOND, 1_800_000_000_000)
    assert fence.store_ms(12 * _SECOND) == 1_800_000_002_000


def test_it_counts_what_became_of_it() -> None:
    """Renewed in time, too late, dropped; dropping what does not hold is no event."""
    fence = Fence(1.0)
    for sent in (10, 10.5, 12):
        fence.renew(round(sent * _SECOND), 1_800_000_000_000)
    fence.drop()
    fence.drop()
    fence.renew(20 * _SECOND, 1_800_000_000_000)

    assert (fence.renewed, fence.lapsed, fence.dropped) == (4, 1, 1)


@given(
    sent=st.integers(1, 10**15),
    to_store=st.integers(0, 5 * _SECOND),
    since=st.integers(0, 600 * _SECOND),
    offset_ms=st.integers(-30_000, 30_000),
)
def test_the_stores_time_is_never_guessed_too_low(sent: int, to_store: int, since: int, offset_ms: int) -> None:
    """However long the answer took, a lease is never thought younger than it is by the store's own clock."""

    def store_clock_ms(boot_ns: int) -> int:
        return boot_ns // 1_000_000 + offset_ms + 1_800_000_000_000

    fence = Fence(1.0)
    fence.renew(sent, store_clock_ms(sent + to_store))

    now = sent + to_store + since
    # Both sides round down to whole milliseconds.
    assert fence.store_ms(now) >= store_clock_ms(now) - 1


def test_clocks_that_differ_by_more_than_half_a_minute_disagree() -> None:
    """One of the two is wrong, and nobody can say which."""
    assert clocks_agree(1_800_000_030_000, 1_800_000_000_000)
    assert not clocks_agree(1_800_000_030_001, 1_800_000_000_000)
    assert not clocks_agree(1_800_000_000_000, 1_800_000_030_001)
