"""HOT (0.5 µs known, 12 µs new): the country a request comes from, as the header X-Latch-Country tells it."""

from typing import Final

from latchstring_middleware.forwarded import TrustedProxies

from ..devices.place import Places
from ..wire import Head, HeaderNames

_FORWARDED: Final = HeaderNames(b"x-forwarded-for")
#: Clients that are remembered; past it all are forgotten, which bounds the memory at no cost a request.
_MAX_KNOWN: Final = 32_768
#: Longer lists of addresses are walked each time, so that hostile ones cannot fill the memory.
_LONGEST_KEPT_LINE: Final = 128


class ClientCountry:
    """Tells the country of a request's client, blank where it is not known; by the very bytes that name the client.

    `forget` after the data of places have changed.
    """

    def __init__(self, trusted: TrustedProxies, places: Places) -> None:
        self._trusted = trusted
        self._places = places
        self._known: dict[tuple[str, bytes], bytes] = {}

    def of(self, head: Head) -> bytes:
        """The code (ISO 3166-1 alpha-2) of the client's country, or nothing."""
        lines = head.lines(_FORWARDED)
        key = (head.peer, lines[0][1] if len(lines) == 1 else b",".join([value for _, value in lines]))
        known = self._known.get(key)
        return self._look_up(key) if known is None else known

    def forget(self) -> None:
        """Look everybody up anew."""
        self._known.clear()

    def _look_up(self, key: tuple[str, bytes]) -> bytes:
        peer, line = key
        address = self._trusted.client_address(peer, [(b"x-forwarded-for", line)] if line else [])
        country = (self._places.of(address).country or "").encode()
        if len(line) <= _LONGEST_KEPT_LINE:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[key] = country
        return country
