"""How long things last and what happens in an outage: frozen values, decided at start."""

from dataclasses import dataclass
from typing import Final, Literal

SESSION_COOKIE: Final = "__Host-session"
RUN_COOKIE: Final = "__Host-run"
DEVICE_COOKIE: Final = "__Host-device"
#: Browsers keep no cookie longer than 400 days (RFC 6265bis section 5.5).
DEVICE_COOKIE_SECONDS: Final = 400 * 86_400

#: A token counts as used only when it comes back this long after its first issue: longer than a browser takes to
#: write its cookies down, so a crash right after a rotation looks like a lost answer and not like a thief.
USED_AFTER_MS: Final = 120_000
#: How much a fail-over may have lost; tokens issued earlier than this before it are not adopted.
LOSS_WINDOW_MS: Final = 5_000
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

    @property
    def session_ttl_ms(self) -> int:
        """How long the store keeps a session at most: its absolute limit, and a lease on top."""
        return round((max(self.session_absolute_seconds, self.remember_absolute_seconds) + self.lease_seconds) * 1000)
