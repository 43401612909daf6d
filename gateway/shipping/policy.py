"""The policy on people: reads what a hit says of consent and pseudonyms, and decides what may be written of it."""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from latchstring_middleware.cookies import named_cookies

from ..beacons.payload import BANNER_COOKIE, CHOICES_COOKIE, VISITOR_COOKIE, RawHit
from ..tokens.codec import Codec, Refused
from ..tokens.keyring import KeyRing
from ..tokens.purposes import Choices, VisitorToken
from .consent import Banner, Consent, Signal, banner, consent
from .daily import Daily
from .enrich import Sender
from .erasures import Erased
from .event import Event, Rejected
from .keeping import Excluded, Kept, Policy, Ruling, kept_letter, without_names
from .names_in import names_in_hit
from .pseudonyms import Kind, Pseudonyms

_VISITOR, _CHOICES, _BANNER = (name.encode() for name in (VISITOR_COOKIE, CHOICES_COOKIE, BANNER_COOKIE))
_NAMES: Final = frozenset({_VISITOR, _CHOICES, _BANNER})
#: Cookie lines that are remembered; then all are read anew, 10 µs each.
_MAX_KNOWN: Final = 65_536


class _Cookies(NamedTuple):
    """What the cookies of a hit say."""

    choices: Choices | None = None
    told: Banner | None = None
    #: The pseudonym of the visitor, and its name in the cookie.
    visitor: str | None = None


_ERASED: Final = Excluded("erased")
_NO_COOKIES: Final = _Cookies()
_T = TypeVar("_T", Choices, VisitorToken)


class PeoplePolicy:
    """Makes the policy of a segment; without a key ring no cookie of ours is good.

    `daily` is there if visitors who have said neither yes nor no are told apart within a day.
    """

    def __init__(
        self,
        ring: KeyRing | None,
        pseudonyms: Pseudonyms,
        *,
        signals: frozenset[Signal] = frozenset({"gpc", "dnt"}),
        daily: Daily | None = None,
        erased: Erased | None = None,
    ) -> None:
        self._ring = ring
        self._codec = Codec(ring) if ring is not None else None
        self._pseudonyms = pseudonyms
        self._signals = signals
        self._daily = daily
        self._erased = erased
        self._known: dict[tuple[bytes, ...], _Cookies] = {}

    def now(self) -> Policy:
        """The policy as of now: keys that were added since are known, and whoever was erased."""
        if self._erased is not None:
            self._erased.follow()
        if self._ring is not None and self._ring.reload_if_changed():
            self._known.clear()
        return self._rule

    def _rule(self, hit: RawHit, sender: Sender) -> Ruling:
        lines = tuple(value for name, value in hit.headers if name == b"cookie")
        cookies = self._read(lines) if lines else _NO_COOKIES
        usual = consent(cookies.choices, cookies.told, sender, self._signals)

        def keep(event: Event) -> Kept:
            holds = usual
            if event.consent is not None and cookies.choices is None:
                told = banner(event.consent) or cookies.told
                holds = consent(None, told, sender, self._signals)
            if holds.analytics == "granted":
                return self._with_names(event, cookies.visitor, holds)
            if holds.analytics == "denied" and event.recipient is not None:
                # Whoever made the link had the person's word for it; here the person says otherwise.
                event = event._replace(recipient=None)
            visitor = None
            # The trace of a server that speaks of others is none of theirs.
            if holds.analytics == "unknown" and self._daily is not None and event.agent is None:
                visitor = self._daily.of(hit.received_at_ms, sender.trace)
            return Kept(without_names(event), visitor, "daily" if visitor else "none", *holds)

        if not self._erased:
            return Ruling(keep, kept_letter)
        return self._without_erased(hit, cookies, keep)

    def _without_erased(self, hit: RawHit, cookies: _Cookies, keep: Callable[[Event], Kept]) -> Ruling:
        """What holds while somebody was erased: what is theirs is left out, whatever they have agreed to."""
        assert self._erased is not None
        erased, at_ms = self._erased, hit.received_at_ms
        is_erased = erased.has("cookie", cookies.visitor, at_ms)

        def has_name(kind: Kind, name: str | None) -> bool:
            return name is not None and erased.has(kind, self._pseudonyms.of(kind, name.encode()), at_ms)

        def has_pseudonym(recipient: str | None) -> bool:
            return erased.has("recipient", recipient, at_ms)

        def event(event: Event) -> Kept | Excluded:
            gone = is_erased or has_name("user", event.user) or has_name("tracker", event.visitor)
            return _ERASED if gone or has_pseudonym(event.recipient) else keep(event)

        def letter(refused: Rejected) -> Excluded | None:
            if is_erased:
                return _ERASED
            words = names_in_hit(hit, refused.alone)
            gone = any(has_name("user", word) or has_name("tracker", word) or has_pseudonym(word) for word in words)
            return _ERASED if gone else None

        return Ruling(event, letter)

    def _with_names(self, event: Event, visitor: str | None, holds: Consent) -> Kept:
        tracker = None if event.visitor is None else self._pseudonyms.of("tracker", event.visitor.encode())
        kind = "cookie" if visitor else "tracker" if tracker else "none"
        return Kept(event, visitor or tracker, kind, *holds, tracker_visitor=tracker)

    def _read(self, lines: tuple[bytes, ...]) -> _Cookies:
        found = self._known.get(lines)
        if found is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            found = self._known[lines] = self._open(lines)
        return found

    def _open(self, lines: tuple[bytes, ...]) -> _Cookies:
        sent = named_cookies([(b"cookie", line) for line in lines], _NAMES)
        visitor = self._token(sent.get(_VISITOR), VisitorToken)
        return _Cookies(
            self._token(sent.get(_CHOICES), Choices),
            banner(sent.get(_BANNER, b"").decode("ascii")),
            None if visitor is None else self._pseudonyms.of("cookie", visitor.visitor),
        )

    def _token(self, token: bytes | None, kind: type[_T]) -> _T | None:
        if token is None or self._codec is None:
            return None
        opened = self._codec.open(token, kind)
        return None if isinstance(opened, Refused) else opened
