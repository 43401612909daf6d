"""When a receiver may be sent something."""

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.hooks.attempt import Outcome
from latchstring_gateway.hooks.health import FRESH_SECONDS, LONGEST_RETRY_SECONDS, MAX_REFUSALS, Health

_REFUSED = Outcome("refused", "answered 500")


def test_one_account_that_is_refused_says_nothing_of_the_receiver() -> None:
    """However often."""
    health = Health(ManualClock(), 1.0)
    for _ in range(100):
        health.heard("eve", _REFUSED)

    assert (health.may_send(), health.is_failing) == ("any", False)


def test_refusals_of_several_accounts_in_a_row_do() -> None:
    """Then one event at a time, later and later, or one of an account not tried yet; a success ends it."""
    clock = ManualClock()
    health = Health(clock, 1.0)
    for number in range(MAX_REFUSALS):
        health.heard(f"account-{number}", _REFUSED)
    health.tried()
    at_once = health.may_send()
    clock.advance(2)
    after_a_rest = health.may_send()
    for _ in range(20):
        health.heard("eve", _REFUSED)
    health.tried()
    clock.advance(FRESH_SECONDS)
    fresh = health.may_send()
    clock.advance(LONGEST_RETRY_SECONDS * 1.5)
    at_last = health.may_send()
    health.heard("ada", Outcome("delivered"))

    assert (at_once, after_a_rest, fresh, at_last) == ("none", "one", "fresh", "one")
    assert (health.may_send(), health.is_failing, health.last_reason) == ("any", False, "")


def test_a_receiver_that_cannot_be_reached_is_left_alone_at_once() -> None:
    """Nobody's event is to blame, so no other account is tried instead."""
    clock = ManualClock()
    health = Health(clock, 1.0)
    health.heard("ada", Outcome("unreachable", "no connection"))
    clock.advance(0.4)

    assert (health.may_send(), health.is_failing) == ("none", True)
    assert health.failing_since_ms is not None
