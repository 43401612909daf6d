"""Where messages end in a stream of bytes, as far as can be told without parsing them."""

import re
from typing import Final

_END_OF_HEAD: Final = b"\r\n\r\n"
#: Many chunks of up to 15 bytes at once: a megabyte of chunks of one byte takes 20 ms; looked at one by one, 200. Only
#: so many at a time, for each is something to go back to. Possessive groups would not be, but Python before 3.11.5
#: matches them wrongly where they hold alternatives (python/cpython#106052).
_SHORT_CHUNKS: Final = re.compile(
    rb"(?:0*(?:"
    + b"|".join(rb"[%x%X](?:[ \t;][^\r\n]*)?\r\n[\s\S]{%d}\r\n" % (n, n, n) for n in range(1, 16))
    + rb")){0,256}"
)
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?=[ \t;\r]|$)")
#: Of a line that lies across packets so much is kept: a size, or enough to see that the line is not empty.
_KEPT_OF_LINE_BYTES: Final = 17

#: How the end of the message is found.
_BY_EMPTY_LINE: Final = 0
_CHUNK_LINE: Final = 1
_CHUNK: Final = 2
_TRAILERS: Final = 3
_UNKNOWN: Final = 4


class MessageEnds:
    """Finds where the next message may end, so that the parser is not fed past a request that is not yet answered.

    A head ends with an empty line, a body after `body_left` bytes, or after its last chunk and trailers. Each byte is
    looked at once, and a packet is cut only where a message ends: a body of nothing but empty lines costs no more than
    another. The parser is the judge. Of chunks that cannot be read here no end is found: then it refuses them, or finds
    an end itself and nothing behind it is taken for a request.
    """

    __slots__ = ("_chunk_left", "_kind", "_last", "_line", "body_left")

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start on a new message."""
        self.body_left = 0
        self._kind = _BY_EMPTY_LINE
        self._chunk_left = 0
        self._last = b""
        self._line = b""

    def expect_chunks(self) -> None:
        """After the head comes a body in chunks (RFC 9112 section 7.1)."""
        self._kind = _CHUNK_LINE

    def cut(self, data: bytes, start: int) -> int:
        """Where the piece that starts at `start` ends: at the end of a message or of the data.

        Within chunks each byte may be asked about once only.
        """
        if self.body_left > 0:
            return min(len(data), start + self.body_left)
        if self._kind:
            return self._cut_chunks(data, start)
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

    def _cut_chunks(self, data: bytes, at: int) -> int:
        size = len(data)
        while at < size and self._kind != _UNKNOWN:
            if self._kind == _CHUNK:
                taken = min(self._chunk_left, size - at)
                at += taken
                self._chunk_left -= taken
                if not self._chunk_left:
                    self._kind = _CHUNK_LINE
                continue
            if self._kind == _CHUNK_LINE and not self._line:
                short = _SHORT_CHUNKS.match(data, at)
                at = at if short is None else short.end()
            end = data.find(b"\n", at)
            self._line += data[at : min(at + _KEPT_OF_LINE_BYTES, size if end < 0 else end)]
            if end < 0:
                self._line = self._line[:_KEPT_OF_LINE_BYTES]
                break
            at = end + 1
            line, self._line = self._line, b""
            if self._kind == _CHUNK_LINE:
                self._begin_chunk(line)
            elif line in (b"", b"\r"):
                self._kind = _BY_EMPTY_LINE
                return at
        return size

    def _begin_chunk(self, line: bytes) -> None:
        found = _CHUNK_SIZE.match(line)
        if found is None:
            self._kind = _UNKNOWN
            return
        length = int(found[1], 16)
        self._kind = _CHUNK if length else _TRAILERS
        # With the line end behind it.
        self._chunk_left = length + 2
