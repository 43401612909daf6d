"""A website that takes every offer to change the protocol, as one that speaks h2c (RFC 7540 section 3.2) does.

It writes down every request head that reaches it, with its trailers, and all bytes that come through a connection after
it has answered 101: what a stranger gets to say to the website behind the proxy's back.
"""

import contextlib
import re
import socket
import threading
from typing import Final

#: What a tunnel's client says last.
LAST_WORD: Final = b"over and out"
_UPGRADE: Final = re.compile(rb"\r\nupgrade:[ \t]*([^\r\n]*)", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
_END_OF_CHUNKS: Final = re.compile(rb"(?:\A|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n")


class SwitchingWebsite:
    """Listens on a loopback port in threads of its own; `heads` and `tunnelled` are what it received."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        host, port = self._listening.getsockname()
        self.address = f"{host}:{port}"
        self.heads: list[bytes] = []
        self.tunnelled: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def forget(self) -> None:
        """Begin anew."""
        self.heads.clear()
        self.tunnelled.clear()

    def close(self) -> None:
        """Listen no more."""
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            got = b""
            while True:
                while b"\r\n\r\n" not in got:
                    got += self._more(connection)
                head, _, got = got.partition(b"\r\n\r\n")
                got, trailers = self._read_body(connection, head, got)
                self.heads.append(head + b"\r\n" + trailers)
                offered = _UPGRADE.search(head)
                if offered is not None:
                    connection.sendall(
                        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n" % offered[1]
                    )
                    while LAST_WORD not in got:
                        got += self._more(connection)
                    self.tunnelled.append(got)
                    return
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def _read_body(self, connection: socket.socket, head: bytes, got: bytes) -> tuple[bytes, bytes]:
        """What follows the body, and the trailers of a chunked one."""
        if _CHUNKED.search(head):
            while (end := _END_OF_CHUNKS.search(got)) is None:
                got += self._more(connection)
            return got[end.end() :], end.group()
        length = _LENGTH.search(head)
        wanted = int(length[1]) if length else 0
        while len(got) < wanted:
            got += self._more(connection)
        return got[wanted:], b""

    @staticmethod
    def _more(connection: socket.socket) -> bytes:
        part = connection.recv(65_536)
        if not part:
            raise ConnectionError
        return part
