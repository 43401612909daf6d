"""The session cookie at its longest, 547 bytes, and the same after a trip through clients that are not ours."""

import json
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args, get_type_hints

import pytest
import uvicorn
from msgspec import Meta
from msgspec.structs import replace
from starlette.types import Receive, Scope, Send

from harness.cookie_clients import CLIENTS
from harness.proxies import Certificate
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.ids import MAX_ACCOUNT_BYTES
from latchstring_gateway.sessions.policy import SESSION_COOKIE
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import Lease
from latchstring_middleware.cookies import MAX_AGE_SECONDS, clear_cookie, named_cookies, set_cookie

pytestmark = pytest.mark.browser

#: The longest key id the key file takes.
LONGEST_KEY: Final = RingKey("tEst0001", KeyState.ACTIVE, 0, 0, bytes(range(32)))


def limit_of(field: str, name: str) -> int:
    """A limit that the struct itself states beside the type of a field."""
    hint = get_type_hints(Lease, include_extras=True)[field]
    (limit,) = [value for meta in get_args(hint) if isinstance(meta, Meta) and (value := getattr(meta, name))]
    assert isinstance(limit, int)
    return limit


def longest_lease() -> Lease:
    """Every field as long as its limit lets it be."""
    most = limit_of("n", "le")
    return Lease(
        session=b"\xff" * limit_of("session", "max_length"),
        account="a" * limit_of("account", "max_length"),
        device=b"\xff" * limit_of("device", "max_length"),
        n=most,
        generation=most,
        authenticated_at_ms=most,
        issued_at_ms=most,
        fresh_until_ms=most,
        lease_end_ms=most,
        remembered=True,
        run=b"\xff" * limit_of("run", "max_length"),
    )


class CookieHost:
    """An HTTPS server that sets, renews and clears the longest cookie, and answers every request with what it was sent.

    /set /renew /clear carry a Set-Cookie line; the body is the JSON list of the request's Cookie headers.
    """

    def __init__(self, certificate: Certificate) -> None:
        self.certificate = certificate
        self.codec = Codec(KeyRing.from_json(dump([LONGEST_KEY]), ManualClock()))
        self.leases = {"/set": longest_lease(), "/renew": replace(longest_lease(), n=1)}
        self.lines = {path: self.line(self.codec.seal(lease).decode()) for path, lease in self.leases.items()}
        self.lines["/clear"] = clear_cookie(SESSION_COOKIE)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._listening.getsockname()[1]}"
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            lifespan="off",
            log_level="error",
            ssl_certfile=certificate.path,
            ssl_keyfile=str(certificate.key_path),
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listening],), daemon=True)
        self._thread.start()

    @staticmethod
    def line(token: str) -> str:
        """The Set-Cookie line of the gateway for a remembered session."""
        return set_cookie(SESSION_COOKIE, token, max_age_seconds=MAX_AGE_SECONDS)

    async def _answer(self, scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        line = self.lines.get(scope["path"])
        if line is not None:
            headers.append((b"set-cookie", line.encode()))
        seen = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(seen).encode()})

    def lease_in(self, body: str) -> object:
        """What the gateway reads in the Cookie headers that a client sent; None if our cookie is not there."""
        headers = [(b"cookie", value.encode("latin-1")) for value in json.loads(body)]
        token = named_cookies(headers, frozenset((SESSION_COOKIE.encode(),))).get(SESSION_COOKIE.encode())
        return None if token is None else self.codec.open(token, Lease)

    def close(self) -> None:
        """Stop it."""
        self._server.should_exit = True
        self._thread.join(10)
        self._listening.close()


@pytest.fixture(scope="module")
def host() -> Iterator[CookieHost]:
    """The server, on a certificate of its own."""
    directory = Path(tempfile.mkdtemp(prefix="latch-"))
    running = CookieHost(Certificate(directory))
    yield running
    running.close()
    shutil.rmtree(directory)


def test_the_longest_session_cookie_is_far_under_4096_bytes(host: CookieHost) -> None:
    """Name, "=" and value with every number at its limit, and an account of 64 bytes, or of all 255."""
    pair = host.lines["/set"].partition(";")[0]
    usual = host.codec.seal(replace(longest_lease(), account="a" * 64))

    assert len(f"{SESSION_COOKIE}={usual.decode()}") == 293
    assert len(pair) == 547
    assert len(longest_lease().account) == MAX_ACCOUNT_BYTES == 255
    for field in ("account", "session", "device", "run"):
        value = getattr(longest_lease(), field)
        with pytest.raises(ValueError):
            host.codec.seal(replace(longest_lease(), **{field: value + value[:1]}))
    for field in ("n", "generation", "authenticated_at_ms", "issued_at_ms", "fresh_until_ms", "lease_end_ms"):
        with pytest.raises(ValueError):
            host.codec.seal(replace(longest_lease(), **{field: getattr(longest_lease(), field) + 1}))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_foreign_client_keeps_replaces_and_forgets_the_cookie(host: CookieHost, client: str) -> None:
    """Set, sent back byte for byte, replaced by its renewal, and gone after it was cleared."""
    paths = ["/see", "/set", "/see", "/deep/er?x=1", "/renew", "/see", "/clear", "/see"]

    bodies = CLIENTS[client](host.certificate, [host.url + path for path in paths])

    first, renewed = host.leases["/set"], host.leases["/renew"]
    assert [host.lease_in(body) for body in bodies] == [None, None, first, first, first, renewed, renewed, None]
    assert json.loads(bodies[2]) == [host.lines["/set"].partition(";")[0]]
