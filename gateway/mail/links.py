"""Makes and opens the addresses that stand in mails: signed, for a time, and never a way to a host that is not allowed.

https://www.example.com/go/<token of a MailLink>            a link
https://www.example.com/go/<token of an OpenPixel>.gif      an open pixel
"""

import re
from collections.abc import Collection
from typing import Final, NamedTuple, TypeVar

from ..clock import Clock
from ..errors import BadRequest, EdgeError, Gone, StoreAway
from ..link_target import origin_of
from ..tokens.codec import Codec, Reason, Refused
from ..tokens.purposes import LINK_TARGET_MAX_CHARS, MailLink, OpenPixel

PREFIX: Final = "/go/"
PIXEL_ENDING: Final = ".gif"
#: Links live longer than keys are usually kept; no longer than this.
MAX_DAYS: Final = 400

_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.:+-]{0,63}")
_QUERY: Final = re.compile(r"[?#]")

_P = TypeVar("_P", MailLink, OpenPixel)

_CUT: Final = "This link is not whole: perhaps it was cut when it was copied. The mail it stood in has the whole one."
_OVER: Final = "Links in mails work for a while, and this one is over."
_BEHIND: Final = "This server does not know yet who signed this link; please try again in a moment."


class Mailing(NamedTuple):
    """What all links of one mail say besides where they lead."""

    campaign: str
    message: str
    recipient: bytes
    sent_at_ms: int
    expires_at_ms: int


def checked_label(name: str, said: str) -> str:
    """A campaign or message as it came. Raises BadRequest unless it is 1 to 64 characters of the allowed alphabet."""
    if not _LABEL.fullmatch(said):
        raise BadRequest(f"bad_{name}", f"expected {name}: 1 to 64 of A-Z a-z 0-9, space and _ . : + -, no sign first")
    return said


class Links:
    """The links of one deployment, below `origin`; targets lie on `allowed` origins ("https://www.example.com")."""

    def __init__(self, codec: Codec, clock: Clock, *, origin: str, allowed: Collection[str]) -> None:
        self._codec = codec
        self._clock = clock
        self._origin = origin
        self._allowed = frozenset(allowed)

    def checked_target(self, said: str) -> str:
        """A target, its host in lower case. Raises BadRequest if it is no http(s) URL of an allowed origin."""
        origin = origin_of(said)
        if origin is None or len(said) > LINK_TARGET_MAX_CHARS:
            wanted = f"an http(s) URL of at most {LINK_TARGET_MAX_CHARS} visible ASCII characters, without user and \\"
            raise BadRequest("bad_target", f"expected {wanted}")
        if origin not in self._allowed:
            raise BadRequest("target_not_allowed", "the target's origin is not in LATCHSTRING_LINK_ORIGINS")
        return origin + said[len(origin) :]

    def link(self, mailing: Mailing, target: str) -> str:
        """The address of a link to a checked target."""
        return self._address(MailLink(target, *mailing))

    def pixel(self, mailing: Mailing) -> str:
        """The address of a mail's open pixel."""
        return self._address(OpenPixel(*mailing)) + PIXEL_ENDING

    def opened(self, token: bytes, kind: type[_P]) -> _P | EdgeError:
        """What a token says, if it is good now; else what to tell whoever came with it."""
        found = self._codec.open(token, kind)
        if isinstance(found, Refused):
            return _refusal(found.reason)
        if found.expires_at_ms <= self._clock.wall_ms():
            return Gone("link_expired", _OVER)
        if isinstance(found, MailLink) and origin_of(found.target) not in self._allowed:
            # The list was shortened since, or somebody has the keys.
            return Gone("target_not_allowed", "This link leads to where links of this website do not lead any more.")
        return found

    def _address(self, content: MailLink | OpenPixel) -> str:
        return f"{self._origin}{PREFIX}{self._codec.seal(content).decode()}"


def key_of(address: str) -> str:
    """The id of the key that signed an address."""
    return address.rpartition("/")[2].split(".")[1]


def without_query(target: str) -> str:
    """What is kept of a target: it may carry a secret behind "?" or "#"."""
    return _QUERY.split(target, maxsplit=1)[0]


def _refusal(reason: Reason) -> EdgeError:
    if reason is Reason.UNKNOWN_KEY:
        return StoreAway(_BEHIND, code="unknown_key")
    if reason is Reason.RETIRED_KEY:
        return Gone("link_expired", _OVER)
    return BadRequest("bad_link", _CUT)
