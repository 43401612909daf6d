"""Where messages end in a stream of bytes, as far as can be told without parsing it."""

from typing import Final

_END_OF_HEAD: Final = b"\r\n\r\n"


class MessageEnds:
    """Finds where the next message may end, so that the parser is not fed past a request that is not yet answered.

    A head, a chunked body and its trailers end with an empty line, other bodies after `body_left` bytes. An end found
    inside a chunked body is harmless: the parser is the judge, this only cuts the pieces it gets.
    """

    __slots__ = ("_last", "body_left")

    def __init__(self) -> None:
        self.body_left = 0
        self._last = b""

    def begin(self) -> None:
        """Start on a new message."""
        self.body_left = 0
        self._last = b""

    def cut(self, data: bytes, start: int) -> int:
        """Where the piece that starts at `start` ends: at the end of a message or of the data."""
        if self.body_left > 0:
            return min(len(data), start + self.body_left)
        if self._last:
            # The empty line may lie across two packets.
            across = (self._last + data[start : start + 3]).find(_END_OF_HEAD)
            if across >= 0:
                return start + across + 4 - len(self._last)
        found = data.find(_END_OF_HEAD, start)
        return len(data) if found < 0 else found + 4

    def remember(self, piece: bytes) -> None:
        """Keep of a piece that did not end its message what the next one may complete."""
        self._last = (self._last + piece[-3:])[-3:]
