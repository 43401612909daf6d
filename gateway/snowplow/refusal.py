"""Whether a visitor has refused statistics, asked at the door: by the rule that decides what is written of a hit."""

from collections.abc import Callable, Collection
from typing import Final, NamedTuple, TypeAlias

from latchstring_middleware.cookies import named_cookies

from ..beacons.payload import BANNER_COOKIE, CHOICES_COOKIE
from ..shipping.consent import Signal, banner, consent
from ..tokens.codec import Codec
from ..tokens.purposes import Choices
from ..wire import Headers

_CHOICES, _BANNER = CHOICES_COOKIE.encode(), BANNER_COOKIE.encode()
_NAMES: Final = frozenset({_CHOICES, _BANNER})

#: Whether who sent these headers has refused.
Refuses: TypeAlias = Callable[[Headers], bool]


class _Signals(NamedTuple):
    gpc: bool
    dnt: bool


def refusal(codec: Codec, signals: Collection[Signal]) -> Refuses:
    """The question; `signals` of a browser count as a refusal."""
    counted = frozenset(signals)

    def refuses(headers: Headers) -> bool:
        sent = named_cookies(headers, _NAMES)
        token = sent.get(_CHOICES)
        opened = None if token is None else codec.open(token, Choices)
        choices = opened if isinstance(opened, Choices) else None
        told = banner(sent[_BANNER].decode("ascii")) if _BANNER in sent else None
        # Of a header that comes twice the first counts.
        said = dict(reversed(headers))
        asks = _Signals(said.get(b"sec-gpc") == b"1", said.get(b"dnt") == b"1")
        return consent(choices, told, asks, counted).analytics == "denied"

    return refuses
