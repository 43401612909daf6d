"""A WebSocket through a proxy, as a browser opens one."""

import socket

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Message, RejectConnection, Request, TextMessage

from harness.proxies import Proxy


class Refused(Exception):
    """The handshake was answered with another status than 101."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the handshake was answered {status}")
        self.status = status


class WebSocket:
    """An open one; Refused if it does not open."""

    def __init__(self, proxy: Proxy, target: str, *, cookie: str = "") -> None:
        self._socket = proxy.tls.wrap_socket(
            socket.create_connection(("127.0.0.1", proxy.port), 10), server_hostname="localhost"
        )
        self._protocol = WSConnection(ConnectionType.CLIENT)
        origin = f"https://localhost:{proxy.port}"
        headers = [(b"Origin", origin.encode()), *([(b"Cookie", cookie.encode())] if cookie else [])]
        self._send(Request(host=f"localhost:{proxy.port}", target=target, extra_headers=headers))
        event = self._next()
        if isinstance(event, RejectConnection):
            self.close()
            raise Refused(event.status_code)
        assert isinstance(event, AcceptConnection)

    def ask(self, text: str) -> str:
        """Send a message and wait for the next one, which may come in parts."""
        self._send(TextMessage(text))
        answer = ""
        while True:
            event = self._next()
            assert isinstance(event, TextMessage), event
            answer += event.data
            if event.message_finished:
                return answer

    def wait_closed(self) -> int:
        """The code with which the other side closes it."""
        event = self._next()
        assert isinstance(event, CloseConnection), event
        return int(event.code)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _send(self, event: Event) -> None:
        self._socket.sendall(self._protocol.send(event))

    def _next(self) -> Event:
        while True:
            for event in self._protocol.events():
                if isinstance(event, (AcceptConnection, RejectConnection, CloseConnection, Message)):
                    return event
            data = self._socket.recv(65_536)
            self._protocol.receive_data(data or None)
