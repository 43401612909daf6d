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
    return any(name == ANONYMOUS for name, _ in headers)


def may_identify(headers: Headers) -> bool:
    """Whether the sender may be given a network user id, and an id of its own be believed."""
    return not is_anonymous(headers)


class NetworkUsers:
    """Reads and sets the cookie called `name`; without a name there is none.

    `domains` are those whose subdomains share it: of several that fit the page's origin the first. With `adopts` an id
    without a seal, as an earlier collector has set it, is believed once and sealed.
    """

    def __init__(self, ring: KeyRing, *, name: str, domains: Sequence[str], adopts: bool) -> None:
        self._seals = Seals(ring, PURPOSE)
        self._name = name.encode()
        self._domains = [domain.encode() for domain in domains]
        self._adopts = adopts

    def identify(self, headers: Headers) -> Identity:
        """Who it is, and the cookie that goes back: renewed, new, or cleared where it may not be."""
        if not self._name:
            return NOBODY
        value = foreign_cookie(headers, self._name)
        if not may_identify(headers):
            return NOBODY if value is None else Identity(b"", self._line(headers, b"", 0))
        known = b"" if value is None else self._read(value)
        user = known or str(uuid4()).encode()
        return Identity(known, self._line(headers, b"%b.%b" % (user, self._seals.of(user)), MAX_AGE_SECONDS))

    def _read(self, value: bytes) -> bytes:
        """The id in a cookie's value, in lower case; empty if it is none of ours."""
        user, seal = value[:_UUID_CHARS], value[_UUID_CHARS + 1 :]
        if _UUID.fullmatch(user) is None:
            return b""
        if len(value) == _UUID_CHARS:
            return user.lower() if self._adopts else b""
        return user if value[_UUID_CHARS] == ord(".") and self._seals.fits(user, seal) else b""

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
