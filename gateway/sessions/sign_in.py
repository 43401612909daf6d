"""What a sign-in is made of and what comes of it: the website's word, an older session, a new one."""

from dataclasses import dataclass

from ..fingerprint.likeness import Likeness
from ..fingerprint.signals import NOT_OBSERVED, Observed
from ..ids import Account
from ..recognition.hints import NO_HINTS, Hints
from ..recognition.makers import NO_MAKE, Make
from ..tokens.purposes import Lease


@dataclass(frozen=True, slots=True)
class OldSession:
    """A session that began elsewhere, under ids that are settled (a blank device: the browser's).

    It is the website's own and moves in, or was approved on another device by the session `approved_by`, which must be
    alive when this one begins.
    """

    session: str
    device: str
    approved_by: str = ""
    #: The thumbprint of the key its tokens are bound to: a repeat is for the same key only.
    bound_to: str = ""


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the website knows of the sign-in and of the browser it happened on.

    With `old` no password was checked now: somebody vouches for a session that began elsewhere.
    """

    account: Account
    remember: bool
    authenticated_at_ms: int
    method: str
    cookie: str
    user_agent: str
    address: str
    hints: Hints = NO_HINTS
    #: What the device stated itself, and the tag of its hardware id (tokens/hardware.py).
    stated: Make = NO_MAKE
    hardware: str = ""
    #: What else is known of the device; kind, model, software and network are found here.
    observed: Observed = NOT_OBSERVED
    old: OldSession | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A session that exists, as durable as a revocation; `set_cookie` are the lines to relay to the browser."""

    session: str
    device: str
    device_name: str
    device_kind: str
    device_is_new: bool
    set_cookie: tuple[str, ...]
    looks_like: Likeness | None
    now_ms: int


@dataclass(frozen=True, slots=True)
class Begun:
    """The same before anything is made of it for a client; `browser` is the id for its device cookie."""

    lease: Lease
    browser: str
    device_name: str
    device_kind: str
    device_is_new: bool
    looks_like: Likeness | None = None
    #: Whether it had begun before, and its first answer may have been lost.
    is_repeated: bool = False
