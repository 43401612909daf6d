"""A sign-in that waits for room: what the website is told of it, and the cookie that brings its person to our page.

The password was checked, so the cookie is worth a sign-in; it is good for the five minutes that a check of the password
is (start.lua), and never stands in an address.
"""

from typing import Final

from latchstring_middleware.cookies import clear_cookie, named_cookies, set_cookie

from ..devices.limit import Full
from ..tokens.codec import Codec, Refused
from ..tokens.purposes import WAITING_TARGET_MAX_CHARS, WaitingSignIn
from ..wire import Headers
from .refusals import TOO_MANY_DEVICES
from .sign_in import SignIn

ROOM_URL: Final = "/latch/make-room"
_COOKIE: Final = "__Host-waiting"
_SECONDS: Final = 300
#: A longer name takes from the room of the target.
_USUAL_ACCOUNT_BYTES: Final = 64
CLEARED: Final = clear_cookie(_COOKIE)


def too_many_devices(codec: Codec, sign_in: SignIn, full: Full, target: str) -> dict[str, object]:
    """The problem (RFC 9457): the devices to choose from, and the way to the page on which their person can choose."""
    fits = len(target) + len(sign_in.account.encode()) <= WAITING_TARGET_MAX_CHARS + _USUAL_ACCOUNT_BYTES
    kept = target if len(target) <= WAITING_TARGET_MAX_CHARS and fits else "/"
    waiting = WaitingSignIn(sign_in.account, sign_in.remember, sign_in.authenticated_at_ms, sign_in.method, kept)
    return {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "code": TOO_MANY_DEVICES,
        "detail": f"the account may have {full.most} devices; repeat it with give_up, or send the browser on",
        "most_devices": full.most,
        "surplus": full.surplus,
        "devices": [row.as_dict() for row in full.devices],
        "set_cookie": [set_cookie(_COOKIE, codec.seal(waiting).decode(), max_age_seconds=_SECONDS)],
        "continue_to": ROOM_URL,
    }


def read(codec: Codec, headers: Headers, *, now_ms: int) -> WaitingSignIn | None:
    """The sign-in that a browser brings; None if it brings none that we sealed, or one that has waited too long."""
    token = named_cookies(headers, frozenset((_COOKIE.encode(),))).get(_COOKIE.encode(), b"")
    opened = codec.open(token, WaitingSignIn)
    if isinstance(opened, Refused) or now_ms - opened.authenticated_at_ms > _SECONDS * 1_000:
        # Whoever finds the cookie later must not even see the list.
        return None
    return opened
