"""Leaving alone for a while what has failed several times in a row. Pure."""

from typing import Final

#: Failures in a row after which nobody asks for a while.
TOLERATED: Final = 5
REST_NS: Final = 5_000_000_000


class Circuit:
    """Closed: everybody may ask. Open: nobody, for five seconds; then one may, and its outcome decides."""

    __slots__ = ("_failures", "_rests_until_ns")

    def __init__(self) -> None:
        self._failures = 0
        self._rests_until_ns = 0

    def lets(self, now_ns: int) -> bool:
        """Whether one may ask now; who is let through past an open circuit keeps the others out until he is back."""
        if self._failures < TOLERATED:
            return True
        if now_ns < self._rests_until_ns:
            return False
        self._rests_until_ns = now_ns + REST_NS
        return True

    def succeeded(self) -> None:
        """An answer came: everybody may ask."""
        self._failures = 0

    def failed(self, now_ns: int) -> None:
        """None came."""
        self._failures += 1
        if self._failures >= TOLERATED:
            self._rests_until_ns = now_ns + REST_NS
