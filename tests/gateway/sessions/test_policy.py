"""The figures of sessions fit each other."""

from latchstring_gateway.sessions import policy
from latchstring_gateway.sessions.policy import SessionPolicy
from latchstring_middleware.cookies import MAX_AGE_SECONDS


def test_a_session_outlives_every_lease_of_it_in_the_store() -> None:
    """Its record stays at least as long as any of its tokens could come back."""
    for chosen in (SessionPolicy(), SessionPolicy(remember_absolute_seconds=60, session_absolute_seconds=120)):
        longest = max(chosen.session_absolute_seconds, chosen.remember_absolute_seconds)
        assert chosen.session_ttl_ms >= (longest + chosen.lease_seconds) * 1000


def test_browsers_keep_what_we_set() -> None:
    """No cookie asks for more than browsers give, and all have the prefix that no sibling host can set."""
    assert policy.DEVICE_COOKIE_SECONDS <= MAX_AGE_SECONDS
    assert SessionPolicy().remember_idle_seconds <= MAX_AGE_SECONDS
    for name in (policy.SESSION_COOKIE, policy.RUN_COOKIE, policy.DEVICE_COOKIE):
        assert name.startswith("__Host-")


def test_a_successor_is_used_well_before_grace_ends() -> None:
    """Otherwise a thief could move within grace for ever unnoticed."""
    assert SessionPolicy().grace_seconds * 1000 > policy.USED_AFTER_MS
    assert SessionPolicy().rotate_every_seconds >= 4 * SessionPolicy().grace_seconds
