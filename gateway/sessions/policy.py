"""How long things last and what happens in an outage: frozen values, decided at start."""

from dataclasses import dataclass, replace
from typing import Final, Literal

SESSION_COOKIE: Final = "__Host-session"
RUN_COOKIE: Final = "__Host-run"
DEVICE_COOKIE: Final = "__Host-device"
#: Browsers keep no cookie longer than 400 days (RFC 6265bis section 5.5).
DEVICE_COOKIE_SECONDS: Final = 400 * 86_400

#: What is added to two `grace` before a token that comes back counts as used: a request takes up to 40 s to be judged,
#: twice, and a browser up to 30 s to write its cookies down (docs/rotation.md).
USED_AFTER_MS: Final = 120_000
#: A password may have been checked this long before its session begins (start.lua); a row outlives its family by it.
_SLACK_SECONDS: Final = 300
#: A lease is renewed from two thirds of its life on, so that an outage finds most leases young.
RENEW_FROM: Final = 2 / 3


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """Spans in seconds.

    `session_*` bound how long a user stays fresh after the password was checked; `remember_*` how long a remembered
    one is recognised. `idle` limits count from the last request that renewed a lease plus one lease, so they are never
    cut short. `rotate_every` and `grace` belong to the rotating credential.
    """

    lease_seconds: float = 300
    session_idle_seconds: float = 1_800
    session_absolute_seconds: float = 43_200
    remember_idle_seconds: float = 30 * 86_400
    remember_absolute_seconds: float = 365 * 86_400
    rotate_every_seconds: float = 86_400
    grace_seconds: float = 900
    outage_rule: Literal["last-known-good", "closed"] = "last-known-good"
    last_known_good_seconds: float = 60
    #: Parallel sessions of an account, 0 for no limit, and what a sign-in does that would be one too many.
    most_sessions: int = 0
    when_full: Literal["end-oldest", "refuse"] = "end-oldest"
    #: Devices of an account, 0 for no limit; what moves in with a session of the website's own is let in besides.
    most_devices: int = 0

    def of_tvs(self, *, days: int, grace_seconds: float) -> "SessionPolicy":
        """What the sign-ins of TVs go by: never fresh, for no password was typed there; a new token at each refresh."""
        return replace(
            self,
            session_absolute_seconds=0,
            remember_idle_seconds=days * 86_400,
            remember_absolute_seconds=days * 86_400,
            rotate_every_seconds=0,
            grace_seconds=grace_seconds,
        )

    def family_ms(self, *, remembered: bool) -> int:
        """How long after its password was checked any token of a sign-in can be good, at the very most."""
        absolute = self.remember_absolute_seconds if remembered else self.session_absolute_seconds
        return round((absolute + _SLACK_SECONDS) * 1000)

    def row_ms(self, *, remembered: bool) -> int:
        """How long after the sign-in the store keeps its row, ended or not: longer than any of its tokens is good.

        So a token whose row is gone is either over by its own words or the store has lost the row.
        """
        return self.family_ms(remembered=remembered) + round((self.lease_seconds + _SLACK_SECONDS) * 1000)
