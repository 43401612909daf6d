"""The figures of sessions fit each other."""

import pytest

from latchstring_gateway.sessions import policy
from latchstring_gateway.sessions.policy import SessionPolicy
from latchstring_middleware.cookies import MAX_AGE_SECONDS


@pytest.mark.parametrize("remembered", [True, False])
@pytest.mark.parametrize(
    "chosen", [SessionPolicy(), SessionPolicy(remember_absolute_seconds=60, session_absolute_seconds=120)]
)
def test_a_row_outlives_every_token_of_its_family(chosen: SessionPolicy, remembered: bool) -> None:
    """Whenever between its earliest and its latest start the row was made: first the tokens are over, then it goes."""
    absolute_ms = (chosen.remember_absolute_seconds if remembered else chosen.session_absolute_seconds) * 1000
    # start.lua takes a password checked up to 5 minutes ago, or by a clock up to 30 s ahead.
    for began_ms in (-30_000, 300_000):
        last_lease_ends_ms = began_ms + absolute_ms + chosen.lease_seconds * 1000
        row_goes_ms = began_ms + chosen.row_ms(remembered=remembered)

        assert row_goes_ms > last_lease_ends_ms
        assert row_goes_ms > chosen.family_ms(remembered=remembered) >= began_ms + absolute_ms


def test_browsers_keep_what_we_set() -> None:
    """No cookie asks for more than browsers give, and all have the prefix that no sibling host can set."""
    assert policy.DEVICE_COOKIE_SECONDS <= MAX_AGE_SECONDS
    assert SessionPolicy().remember_idle_seconds <= MAX_AGE_SECONDS
    for name in (policy.SESSION_COOKIE, policy.RUN_COOKIE, policy.DEVICE_COOKIE):
        assert name.startswith("__Host-")


def test_rotations_lie_further_apart_than_what_is_late() -> None:
    """A token must have counted as used, and everything of its predecessor have arrived, before the next one."""
    chosen = SessionPolicy()

    assert chosen.rotate_every_seconds >= 4 * chosen.grace_seconds
    assert policy.USED_AFTER_MS >= 2 * 40_000 + 30_000, "two requests on their way, and cookies written down"
