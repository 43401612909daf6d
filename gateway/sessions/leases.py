"""HOT (0.1 µs known, 15 µs new): verified leases by the exact bytes of cookie or token, with their answers ready.

Keying on the raw bytes is safe only because the codec refuses every other spelling of a token.
"""

from functools import cache
from typing import Final, Literal

from latchstring_middleware.cookies import named_cookies
from latchstring_middleware.identity_headers import account_to_header

from .. import metrics
from ..ids import to_text
from ..revocation.fence import MAX_CLOCK_DIFFERENCE_MS
from ..store.keys import partition_of
from ..tokens.codec import Codec, Refused
from ..tokens.keyring import KeyRing
from ..tokens.passport import mint
from ..tokens.purposes import AccessToken, Lease
from ..wire import Reply
from .policy import RENEW_FROM, RUN_COOKIE, SESSION_COOKIE
from .visit import access_token_in

_SESSION: Final = SESSION_COOKIE.encode()
_RUN: Final = RUN_COOKIE.encode()
_NAMES: Final = frozenset((_SESSION, _RUN))
#: Longer cookie lines are parsed each time, so that hostile ones cannot fill the memory.
_LONGEST_KEPT_LINE: Final = 2_048

_NO_STORE: Final = (b"cache-control", b"no-store")
COUNTRY: Final = b"x-latch-country"
#: Answers that a lease keeps; a traveller has a handful, and who shows it from everywhere at once must not cost more.
_COUNTRIES_KEPT: Final = 8


class OpenLease:
    """A lease whose signature held, with its ids as text and a 200 for each level."""

    __slots__ = (
        "_identities",
        "_passports",
        "account",
        "begins_at_ms",
        "content",
        "device",
        "ends_at_ms",
        "key_id",
        "partition",
        "renew_at_ms",
        "replies",
        "run",
        "session",
        "token",
    )

    def __init__(self, token: bytes, content: Lease, passports: "Passports", longest_ms: int) -> None:
        self.token = token
        self.key_id = token.split(b".", 2)[1].decode()
        self.content = content
        self.session = to_text(content.session)
        self.device = to_text(content.device)
        self.account = content.account
        self.partition = partition_of(content.account)  # type: ignore[arg-type]  # checked by the codec
        self.run = to_text(content.run).encode()
        #: Outside of these the store is asked, whatever the lease says: what is revoked is remembered for two leases of
        #: this deployment, so one that was issued by a clock that ran ahead, or when leases were longer, must not run.
        self.begins_at_ms = content.issued_at_ms - MAX_CLOCK_DIFFERENCE_MS
        self.ends_at_ms = min(content.lease_end_ms, content.issued_at_ms + longest_ms)
        life_ms = max(self.ends_at_ms - content.issued_at_ms, 0)
        # Nothing is renewed where an access token is shown.
        renew_from = 1 if isinstance(content, AccessToken) else RENEW_FROM
        self.renew_at_ms = min(content.issued_at_ms + round(life_ms * renew_from), self.ends_at_ms)
        self._passports = passports
        self._identities: dict[bool, tuple[tuple[bytes, bytes], ...]] = {}
        #: The verify answers of a merely remembered user and of a fresh one, by country; made when first needed.
        self.replies: tuple[dict[bytes, Reply], dict[bytes, Reply]] = ({}, {})

    def reply(self, fresh: bool, country: bytes) -> Reply:  # noqa: FBT001 - hot: a positional flag is the index
        """The 200 that carries every identity header, and the country of this request; the same object each time."""
        replies = self.replies[fresh]
        known = replies.get(country)
        if known is None:
            if len(replies) >= _COUNTRIES_KEPT:
                replies.clear()
            known = replies[country] = Reply(200, (*self.identity(fresh=fresh), (COUNTRY, country), _NO_STORE))
        return known

    def identity(self, *, fresh: bool) -> tuple[tuple[bytes, bytes], ...]:
        """Every identity header, in the order of IDENTITY_HEADERS; the same each time, for minting is dear."""
        known = self._identities.get(fresh)
        if known is None:
            known = self._identities[fresh] = self._identity("fresh" if fresh else "remembered")
        return known

    def _identity(self, level: Literal["fresh", "remembered"]) -> tuple[tuple[bytes, bytes], ...]:
        return (
            (b"x-latch-account", account_to_header(self.account)),
            (b"x-latch-session", self.session.encode()),
            (b"x-latch-device", self.device.encode()),
            (b"x-latch-auth-time", b"%d" % (self.content.authenticated_at_ms // 1000)),
            (b"x-latch-level", level.encode()),
            (b"x-latch-passport", self._passports.of(self, level).encode()),
        )


@cache
def nobody(country: bytes) -> Reply:
    """What an optional route says of somebody not signed in: every identity header, blank, so that none of a client's
    survives, and the country. There are as many as countries.
    """
    names = (b"account", b"session", b"device", b"auth-time", b"level", b"passport")
    return Reply(200, (*((b"x-latch-" + name, b"") for name in names), (COUNTRY, country), _NO_STORE))


class Passports:
    """Mints the passport of a lease; blank where the operator named no audience."""

    def __init__(self, ring: KeyRing, *, issuer: str, audience: str) -> None:
        self._ring = ring
        self._issuer = issuer
        self._audience = audience

    def of(self, lease: OpenLease, level: Literal["fresh", "remembered"]) -> str:
        """A bearer until the lease ends (EdDSA JWT, RFC 8037)."""
        if not self._audience:
            return ""
        metrics.PASSPORTS_MINTED.inc()
        content = lease.content
        return mint(
            self._ring,
            issuer=self._issuer,
            audience=self._audience,
            account=lease.account,
            session=lease.session,
            device=lease.device,
            level=level,
            authenticated_at_ms=content.authenticated_at_ms,
            issued_at_ms=content.issued_at_ms,
            expires_at_ms=content.lease_end_ms,
        )


class Leases:
    """A bounded memory of verified leases, dropped whenever the key ring changes.

    Two generations instead of a linked list: what is used moves to the young one, and when that is full the old one
    goes. A look-up of a young lease is one dict look-up and moves nothing.
    """

    def __init__(
        self, codec: Codec, ring: KeyRing, passports: Passports, *, lease_seconds: float, capacity: int = 50_000
    ) -> None:
        self._codec = codec
        self._ring = ring
        self._passports = passports
        self._longest_ms = round(lease_seconds * 1000)
        self._half = max(1, capacity // 2)
        self._version = ring.version
        self._young: dict[bytes, OpenLease] = {}
        self._old: dict[bytes, OpenLease] = {}
        #: Whole cookie lines seen before: their lease, and whether its run cookie stands beside it.
        self.by_line: dict[bytes, tuple[OpenLease, bool]] = {}
        #: The same for Authorization headers. Apart, for what is good in the one must not be in the other.
        self.by_authorization: dict[bytes, tuple[OpenLease, bool]] = {}

    def read_line(self, line: bytes) -> tuple[OpenLease, bool] | None:
        """The lease in a cookie header, and whether the browser run it was given to still goes on; None if there is
        no lease that opens.
        """
        cookies = named_cookies([(b"cookie", line)], _NAMES)
        token = cookies.get(_SESSION)
        lease = None if token is None else self.find(token)
        if lease is None or isinstance(lease, Refused):
            return None
        known = (lease, cookies.get(_RUN) == lease.run)
        self._keep(self.by_line, line, known)
        return known

    def read_authorization(self, line: bytes) -> tuple[OpenLease, bool] | None:
        """The lease in an access token that is shown as a bearer, and False, for there is no run of a browser; None if
        there is none that opens, or it is bound to a key.
        """
        scheme, token = access_token_in(line)
        lease = self.find(token, AccessToken) if scheme == b"bearer" else None
        if lease is None or isinstance(lease, Refused):
            return None
        known = (lease, False)
        self._keep(self.by_authorization, line, known)
        return known

    def find(self, token: bytes, kind: type[Lease] = Lease) -> OpenLease | Refused:
        """The lease in a cookie, or in a token of another `kind`, verified now or before; says nothing about time or
        revocation.
        """
        self.refresh()
        known = self._young.get(token)
        if known is not None and type(known.content) is kind:
            return known
        known = self._old.get(token)
        # What is remembered as a TV's token is no cookie: the purpose is judged each time.
        if known is None or type(known.content) is not kind:
            content = self._codec.open(token, kind)
            if isinstance(content, Refused):
                return content
            known = OpenLease(token, content, self._passports, self._longest_ms)
        self._remember(known)
        return known

    def seal(self, content: Lease) -> OpenLease:
        """A fresh lease, signed and remembered."""
        lease = OpenLease(self._codec.seal(content), content, self._passports, self._longest_ms)
        self._remember(lease)
        return lease

    def refresh(self) -> None:
        """Verify everything anew if the ring has changed: a key may have been retired. Called after every reload."""
        if self._ring.version != self._version:
            self._version = self._ring.version
            self._young, self._old = {}, {}
            self.by_line.clear()
            self.by_authorization.clear()

    def _keep(self, lines: dict[bytes, tuple[OpenLease, bool]], line: bytes, known: tuple[OpenLease, bool]) -> None:
        if len(line) <= _LONGEST_KEPT_LINE:
            if len(lines) >= self._half:
                lines.clear()
            lines[line] = known

    def _remember(self, lease: OpenLease) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[lease.token] = lease
