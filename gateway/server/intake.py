"""HOT: bytes in: feeds the parser message by message, never past a request that is not yet answered.

What came after such a request is held back and reading stops. So answers keep their order, and neither a client that
stops reading nor one that pipelines a thousand requests costs more memory than one read from the socket and one
answer buffer.

    OPEN --head--> answered --> OPEN             a hot route: nearly all requests take this line only
      |              |- Recorded --> BUSY        until the journal has it
      |              `- write buffer full --> STALLED, until the client reads
      |--part of a head--> HEAD                  at most `head_seconds`
      |--head of a hot POST--> BODY              at most `body_seconds`
      |--any other head--> ASGI_BODY --> BUSY    uvicorn's own way, until the answer is complete
      `--refused--> CLOSED                       further bytes are thrown away
"""

import asyncio
import re
from abc import abstractmethod
from typing import ClassVar, Final

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.flow_control import FlowControl

from .. import logs
from ..wire import Headers, Reply
from .door import BAD_REQUEST, HEAD_TOO_LARGE, TOO_SLOW, Door, crashed
from .heads import CHUNKED, CONNECTION, LENGTH, without_offer
from .message_ends import MessageEnds

_log = logs.get("server")

#: Plain numbers, since they are compared several times a request.
OPEN: Final = 0
HEAD: Final = 1
BODY: Final = 2
ASGI_BODY: Final = 3
BUSY: Final = 4
STALLED: Final = 5
CLOSED: Final = 6

_G: Final = ord("G")
_EMPTY_LINES: Final = re.compile(rb"[\r\n]*")
#: Longer heads are read line by line, so that looking through one for a few headers stays cheap.
_LONGEST_UNREAD_BYTES: Final = 8_192
#: What a refused client may go on sending before it is cut off; some reading lets it see why.
_MAX_DISCARDED_BYTES: Final = 1_048_576


class SecondMessage(Exception):
    """There is more than one request in what the parser was fed."""


class GatedFlow(FlowControl):
    """uvicorn's flow control, which does not read while bytes are held back or the client takes no answer."""

    gated = False

    def resume_reading(self) -> None:
        """Read on, if nothing speaks against it."""
        if not (self.gated or self.write_paused):
            super().resume_reading()


class Intake(asyncio.Protocol):
    """The state of one connection, and all that depends on bytes and seconds alone."""

    #: Slots, because an instance with more than thirty fields has a slow dict (0.2 us a request); it still has one for
    #: uvicorn's fields.
    # fmt: off
    __slots__ = (
        "_begun", "_ends", "_head_bytes", "_held", "_held_from", "_idle_since", "_keep_alive", "_length",
        "_max_head_bytes", "_noted", "_offered", "_peer", "_since", "_state", "_unsent", "_unsent_since",
        "parser", "transport",
    )
    # fmt: on

    door: ClassVar[Door]

    flow: GatedFlow
    loop: asyncio.AbstractEventLoop
    parser: HttpRequestParser
    transport: asyncio.Transport
    url: bytes
    headers: Headers

    def __init__(self) -> None:
        door = self.door
        self._max_head_bytes = door.limits.max_head_bytes
        self._peer = ""
        self._state = OPEN
        self._idle_since = door.tick
        self._ends = MessageEnds()
        self._head_bytes = 0
        self._begun = False
        #: Of the message that is being parsed: what its headers decide, and the length of its body.
        self._noted = 0
        self._length = 0
        self._keep_alive = True
        #: The headers of a request that offers another protocol than is spoken here, while its head is read again.
        self._offered: Headers | None = None
        #: When the head or the body began that is not complete.
        self._since = 0
        self._held = b""
        self._held_from = 0
        self._unsent = -1
        self._unsent_since = 0

    @abstractmethod
    def _upgrade(self) -> None:
        """Leave the connection to another protocol, if it is spoken here."""

    @abstractmethod
    def _pass_body_on(self) -> None:
        """Give the app what of its body has come."""

    @abstractmethod
    def _answer_unread(self, data: bytes) -> bool:
        """Answer what may be one whole GET of a hot route, without its header lines; False if that cannot be."""

    @abstractmethod
    def _refuse(self, reply: Reply) -> None:
        """Answer `reply` as the last thing on this connection."""

    def data_received(self, data: bytes) -> None:
        """Take what the socket had."""
        # One whole GET and nothing else: nearly all requests. If there is another one behind it the parser finds out;
        # looking for it here costs 0.4 us.
        if self._state == OPEN and data.endswith(b"\r\n\r\n") and data[0] == _G and len(data) <= self._max_head_bytes:
            if len(data) <= _LONGEST_UNREAD_BYTES and self._answer_unread(data):
                return
            self._begun = False
            if not self._parse(data):
                self._feed_rest(data)
        elif self._state == CLOSED:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_DISCARDED_BYTES:
                self.transport.abort()
        elif self._held:
            self._hold(self._held[self._held_from :] + data, 0)
        else:
            self._feed(data, 0)

    def _feed(self, data: bytes, start: int) -> None:
        """Feed the parser message by message until the data ends or a request is in flight."""
        while start < len(data) and self._state != CLOSED:
            if self._state in (BUSY, STALLED):
                self._hold(data, start)
                return
            if self._state == OPEN:
                # Empty lines before a request are allowed (RFC 9112, 2.2) and are not the beginning of one.
                if data[start] in b"\r\n":
                    # Not lstrip: it would copy the whole packet for each request in it.
                    start = len(data) if (text := _EMPTY_LINES.match(data, start)) is None else text.end()
                    continue
                self._state = HEAD
                self._since = self.door.tick
                self._head_bytes = 0
                self._begun = False
                self._ends.begin()
            end = self._ends.cut(data, start)
            piece = data[start:end]
            start = end
            if self._state == HEAD:
                self._head_bytes += len(piece)
                if self._head_bytes > self._max_head_bytes:
                    self._refuse(HEAD_TOO_LARGE)
                    return
            self._ends.remember(piece)
            if not self._parse(piece):
                # The parser saw an end of a message where we saw none: nobody knows what the rest is.
                self._refuse(BAD_REQUEST)
                return

    def _parse(self, piece: bytes) -> bool:
        """Feed the parser, whose callbacks set `_state`; False if it stopped at the beginning of a second message."""
        try:
            self.parser.feed_data(piece)
            self._pass_body_on()
        except HttpParserUpgrade as offer:
            self._upgraded(piece[offer.args[0] :])
        except HttpParserCallbackError as error:
            if isinstance(error.__context__, SecondMessage):
                return False
            self._refuse(crashed(error.__context__ or error))
        except HttpParserError as error:
            _log.debug("malformed request", peer=self._peer, reason=str(error))
            self._refuse(BAD_REQUEST)
        return True

    def _feed_rest(self, data: bytes) -> None:
        """The parser stopped within `data`, behind a GET: go on from there."""
        # A new parser, since llhttp has no way on from where a callback stopped it.
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        if self._noted & CHUNKED:
            self._refuse(BAD_REQUEST)
        else:
            self._feed(data, data.find(b"\r\n\r\n") + 4 + self._length)

    def _upgraded(self, rest: bytes) -> None:
        """The parser has seen a head that offers another protocol, and stopped before `rest`."""
        if self._offered is None or self._state == CLOSED:
            self._upgrade()
            return
        self._read_without_offer()
        if rest and self._state != CLOSED:
            self._feed(rest, 0)

    def _read_without_offer(self) -> None:
        """Read the head again as that of an ordinary request: a server may ignore an offer (RFC 9110 section 7.8).

        llhttp, which cannot, takes what follows the head of such a request for another protocol: its body would be
        lost, or pass for a request. So a parser of its own gets the same head without the token that makes it an offer.
        """
        head = without_offer(self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers)
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._begun = False
        self._parse(head)
        self._offered = None

    def _note_length_and_connection(self) -> int:
        """The length of the body, 0 if there is none or none was told."""
        self._keep_alive = self.parser.should_keep_alive()
        if self._noted & CONNECTION and self.parser.get_http_version() == "1.0":
            # uvicorn keeps no HTTP/1.0 connection, whatever the client asks for.
            self._keep_alive = False
        if self._noted & CHUNKED:
            self._ends.expect_chunks()
        if self._noted & LENGTH:
            self._length = next(int(value) for name, value in self.headers if name == b"content-length")
            self._ends.body_left = self._length
        return self._length

    def _hold(self, data: bytes, start: int) -> None:
        self._held, self._held_from = data, start
        self.flow.gated = True
        self.flow.pause_reading()

    def _go_on(self) -> None:
        """Take up what was held back; from the event loop, so that other connections get their turn in between."""
        if self._state != STALLED or self.flow.write_paused or self.transport.is_closing():
            return
        self._state = OPEN
        data, self._held = self._held, b""
        self.flow.gated = False
        self._feed(data, self._held_from)
        self.flow.resume_reading()

    def _linger(self) -> None:
        """End our side only: closing at once, while the client still sends, would reset the answer as well."""
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self._head_bytes = 0
        self.flow.gated = False
        self.flow.resume_reading()

    def pause_writing(self) -> None:
        """The client takes no answer: read no more from it."""
        self.flow.pause_writing()
        self.flow.pause_reading()
        if self._state == OPEN:
            self._state = STALLED

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.flow.resume_writing()
        self.flow.resume_reading()
        if self._state == STALLED:
            self.loop.call_soon(self._go_on)

    def sweep(self, tick: int) -> None:
        """Close what is idle, late or stalled at `tick`, the seconds as the door counts them."""
        limits, state = self.door.limits, self._state
        leaving = state == CLOSED or self.transport.is_closing()
        if leaving or self.flow.write_paused:
            unsent = self.transport.get_write_buffer_size()
            if unsent != self._unsent:
                self._unsent, self._unsent_since = unsent, tick
            elif tick - self._unsent_since >= (limits.close_seconds if leaving else limits.stalled_seconds):
                self.transport.abort()
            return
        self._unsent = -1
        if state == OPEN:
            if tick - self._idle_since >= limits.keep_alive_seconds:
                self.transport.close()
        elif state == HEAD:
            if tick - self._since >= limits.head_seconds:
                self._refuse(TOO_SLOW)
        elif state in (BODY, ASGI_BODY) and not self.flow.read_paused and tick - self._since >= limits.body_seconds:
            self._refuse(TOO_SLOW)
