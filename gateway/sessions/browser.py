"""What makes a browser known at sign-in: the cookies that it brings, and those that it is given."""

from dataclasses import dataclass

from latchstring_middleware.cookies import named_cookies, set_cookie

from ..ids import Account, new_id, to_bytes, to_text
from ..tokens.codec import Codec, Refused
from ..tokens.purposes import DeviceToken, Lease
from .leases import Leases
from .policy import DEVICE_COOKIE, DEVICE_COOKIE_SECONDS, RUN_COOKIE, SESSION_COOKIE, SessionPolicy


@dataclass(frozen=True, slots=True)
class Brought:
    """By its cookies: the browser's id, and the session it was signed in with and whose that is, blank for none."""

    browser: str
    session: str
    account: Account


def brought(codec: Codec, cookie: str) -> Brought:
    """What a Cookie header brings. The id is a fresh one if none verifies: unknown ids are never adopted."""
    headers = [(b"cookie", cookie.encode("latin-1", "replace"))]
    found = named_cookies(headers, frozenset((DEVICE_COOKIE.encode(), SESSION_COOKIE.encode())))
    device = codec.open(found.get(DEVICE_COOKIE.encode(), b""), DeviceToken)
    former = codec.open(found.get(SESSION_COOKIE.encode(), b""), Lease)
    browser = new_id() if isinstance(device, Refused) else to_text(device.browser)
    if isinstance(former, Refused):
        return Brought(browser, "", Account(""))
    return Brought(browser, to_text(former.session), Account(former.account))


def given(codec: Codec, leases: Leases, policy: SessionPolicy, lease: Lease, *, browser: str) -> tuple[str, ...]:
    """The Set-Cookie lines of a session that begins."""
    seconds = round(policy.remember_idle_seconds) if lease.remembered else None
    token = leases.seal(lease).token.decode()
    device = codec.seal(DeviceToken(to_bytes(browser), lease.issued_at_ms)).decode()
    return (
        set_cookie(SESSION_COOKIE, token, max_age_seconds=seconds),
        set_cookie(DEVICE_COOKIE, device, max_age_seconds=DEVICE_COOKIE_SECONDS),
        set_cookie(RUN_COOKIE, to_text(lease.run), max_age_seconds=None),
    )
