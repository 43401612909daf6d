"""The `sp` cookie: a random UUID that tells browsers apart, the network user id, and the seal that it is ours.

    sp=3f2c6d0e-8a51-4c0b-9d7e-0c5a1e2b4f60.k3Vx9q.Zt0YpQ1c3aUeB4mN8rS2wA

It begins as Snowplow's own does, so that whoever reads the first 36 characters of it finds what he expects; and nobody
can make up an id that we count. What may be set or believed is decided in one place, `may_identify`.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import uuid4

from latchstring_middleware.cookies import foreign_cookie

from ..beacons.batch import allowed_origin
from ..beacons.payload import ANONYMOUS
from ..tokens.keyring import KeyRing
from ..tokens.seals import Seals
from ..wire import Headers
from .refusal import Refuses

PURPOSE: Final = b"snowplow network user"
MAX_AGE_SECONDS: Final = 365 * 86_400

_UUID: Final = re.compile(rb"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_UUID_CHARS: Final = 36


class Identity(NamedTuple):
    """Who sent a request, as far as the cookie tells, and the Set-Cookie line of the answer; empty where there is none.

    An id that the browser has not shown yet is told to it and to nobody else: one that refuses cookies would be
    somebody new with every request.
    """

    id: bytes
    set_cookie: bytes


NOBODY: Final = Identity(b"", b"")


def is_anonymous(headers: Headers) -> bool:
    """Whether the tracker asks that the server keep nothing that tells visitors apart (`SP-Anonymous`, any value)."""
    return ANONYMOUS in [name for name, _ in headers]


def may_identify(headers: Headers, refuses: Refuses) -> bool:
    """Whether the sender may be given a network user id, and an id of its own be believed."""
    return not is_anonymous(headers) and not refuses(headers)


class NetworkUsers:
    """Reads and sets the cookie called `name`; without a name there is none.

    `domains` are those whose subdomains share it: of several that fit the page's origin the first. With `adopts` an id
    without a seal, as an earlier collector has set it, is believed once and sealed. Who `refuses` gets none and loses
    the one he has.
    """

    def __init__(
        self,
        ring: KeyRing,
        *,
        name: str,
        domains: Sequence[str] = (),
        adopts: bool = False,
        refuses: Refuses = lambda _headers: False,
    ) -> None:
        self._seals = Seals(ring, PURPOSE)
        self._name = name.encode()
        self._domains = [domain.encode() for domain in domains]
        self._adopts = adopts
        self._refuses = refuses

    def identify(self, headers: Headers) -> Identity:
        """Who it is, and the cookie that goes back: renewed, new, or cleared where it may not be."""
        if not self._name:
            return NOBODY
        value = foreign_cookie(headers, self._name)
        if not may_identify(headers, self._refuses):
            return NOBODY if value is None else Identity(b"", self._line(headers, b"", 0))
        known, sealed = (b"", b"") if value is None else self._read(value)
        if not sealed:
            user = known or str(uuid4()).encode()
            sealed = b"%b.%b" % (user, self._seals.of(user))
        return Identity(known, self._line(headers, sealed, MAX_AGE_SECONDS))

    def _read(self, value: bytes) -> tuple[bytes, bytes]:
        """The id in a cookie's value, and the value if its seal needs no renewal; empty if it is none of ours."""
        user, dot, seal = value[:_UUID_CHARS], value[_UUID_CHARS : _UUID_CHARS + 1], value[_UUID_CHARS + 1 :]
        if _UUID.fullmatch(user) is None:
            return b"", b""
        if not dot:
            return (user.lower() if self._adopts else b""), b""
        if dot != b"." or not self._seals.fits(user, seal):
            return b"", b""
        return user, value if self._seals.is_current(seal) else b""

    def _line(self, headers: Headers, value: bytes, max_age_seconds: int) -> bytes:
        """A Set-Cookie value. SameSite=None, since most pages that send hits are of another site than the collector."""
        line = b"%b=%b; Max-Age=%d; Path=/; Secure; HttpOnly; SameSite=None" % (self._name, value, max_age_seconds)
        domain = self._domain(allowed_origin(headers))
        return line + b"; Domain=" + domain if domain else line

    def _domain(self, origin: bytes) -> bytes:
        """The configured domain that the page belongs to; nothing of the request is ever repeated."""
        host = origin.partition(b"://")[2].partition(b":")[0].lower()
        for domain in self._domains:
            if host == domain or host.endswith(b"." + domain):
                return domain
        return b""
