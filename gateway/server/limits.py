"""What one client may cost the server: bytes, seconds and connections."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Bounds of every connection; uvicorn itself bounds neither the size of a head nor the time it may take.

    Seconds are counted by one sweep a second over all connections, so an end may come up to a second late.
    """

    #: Longest head in bytes, request line included; longer is 431.
    max_head_bytes: int = 65_536
    #: Most header lines of a request; more is 431, but for short GETs of hot routes, whose lines are not handed over.
    max_headers: int = 100
    #: From the first byte of a head to its end; longer is 408.
    head_seconds: int = 10
    #: From the end of a head to the end of the body; longer is 408.
    body_seconds: int = 30
    #: How long a connection may be idle, a new one too. Longer than proxies keep theirs (nginx and Caddy: 60 s and
    #: 120 s by default towards us, set to 60 s in our recipes), so that it is the proxy who closes first.
    keep_alive_seconds: int = 75
    #: How long a client may take nothing of an answer before it is cut off.
    stalled_seconds: int = 30
    #: The same once the connection is closing, and how long a refused client may go on sending.
    close_seconds: int = 5
    #: Open connections of this process; beyond it a connection is answered 503 and closed.
    max_connections: int = 10_000
