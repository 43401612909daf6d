"""Clients of an edge: a browser that keeps cookies as browsers do, and raw bytes for what no browser sends."""

import json
import socket
from dataclasses import dataclass
from typing import Any

import httpx

from harness.proxies import Proxy
from harness.waiting import wait_until

SESSION = "__Host-session"
#: Ways to write a header that some website may read as `X-Latch-…`.
SPELLINGS = (
    b"X-Latch-%s",
    b"x-latch-%s",
    b"X_Latch_%s",
    b"X-Latch_%s",
    b"X_Latch-%s",
    b"X.Latch.%s",
    b"X-Latch.%s",
    b"x.latch-%s",
)


@dataclass(frozen=True)
class Answer:
    """One answer: header names in lower case, all of them in order."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for known, value in self.headers if known == name]

    def one(self, name: str) -> str:
        """The value of a header that is there once; "" if it is not there."""
        values = self.all(name)
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else ""

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    def received(self, prefix: str = "x-latch-") -> dict[str, str]:
        """What the echo website received in headers that anybody may read as `prefix`…; fails on duplicates."""
        found: dict[str, str] = {}
        for name, value in self.json()["headers"]:
            folded = name.lower().replace("_", "-").replace(".", "-")
            if folded.startswith(prefix):
                assert name not in found, f"{name} came twice"
                found[name] = value
        return found


class Browser:
    """Sends what a browser sends for a navigation, and keeps cookies; `cookies` may be looked at and bent."""

    def __init__(self, proxy: Proxy, set_cookie: list[str] | None = None) -> None:
        self._client = httpx.Client(base_url=proxy.url, verify=proxy.tls, timeout=60, trust_env=False)
        self.cookies: dict[str, str] = {}
        for line in set_cookie or []:
            self.keep(line)

    def keep(self, line: str) -> None:
        """Take a Set-Cookie line as browsers do."""
        name, _, value = line.partition(";")[0].partition("=")
        if "max-age=0" in line.lower():
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    def ask(
        self,
        target: str,
        method: str = "GET",
        *,
        dest: str = "document",
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        keep: bool = True,
    ) -> Answer:
        """One request; cookies of the answer are kept unless told otherwise."""
        sent = {"sec-fetch-dest": dest, "sec-fetch-mode": "navigate" if dest == "document" else "cors"}
        sent |= {"accept": "text/html" if dest == "document" else "*/*"}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self._client.request(method, target, headers={**sent, **(headers or {})}, content=content)
        read = Answer(
            answer.status_code,
            [(name.decode().lower(), value.decode("latin-1")) for name, value in answer.headers.raw],
            answer.content,
        )
        if keep:
            for line in read.all("set-cookie"):
                self.keep(line)
        return read

    def ask_until_renewed(self, target: str, method: str = "GET", *, content: bytes | None = None) -> Answer:
        """Ask until an answer renews the cookie, and return that one."""
        answers: list[Answer] = []

        def has_renewed() -> bool:
            answers.append(self.ask(target, method, content=content))
            return bool(answers[-1].all("set-cookie"))

        wait_until(has_renewed, f"{method} {target} to renew the cookie")
        return answers[-1]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def cookie_line(browser: Browser) -> bytes:
    """The Cookie header line of a browser."""
    return b"Cookie: " + "; ".join(f"{name}={value}" for name, value in browser.cookies.items()).encode()


def raw(proxy: Proxy, head: bytes, *, after: bytes = b"") -> Answer:
    """Send exactly these bytes (without the final empty line) over TLS and read until the proxy closes.

    `after` is sent behind the head, as a body or as what would be said through a tunnel; then our side is done.
    """
    with (
        socket.create_connection(("127.0.0.1", proxy.port), 10) as plain,
        proxy.tls.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(head + b"\r\n\r\n" + after)
        parts = []
        try:
            while part := connection.recv(65_536):
                parts.append(part)
        except OSError:
            # A proxy that refuses a head may reset the connection after its answer.
            pass
    got = b"".join(parts)
    lines, _, body = got.partition(b"\r\n\r\n")
    first, *fields = lines.decode("latin-1").split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (field.partition(":") for field in fields)]
    if ("transfer-encoding", "chunked") in headers:
        body = _unchunked(body)
    if not first.startswith("HTTP/"):
        # Nothing, or HTTP/0.9, which has no head.
        return Answer(0, [], got)
    return Answer(int(first.split()[1]), headers, body)


def request(proxy: Proxy, target: bytes, *headers: bytes) -> Answer:
    """A raw GET of `target` with these header lines."""
    host = b"localhost:%d" % proxy.port
    return raw(proxy, b"\r\n".join([b"GET %s HTTP/1.1" % target, b"Host: " + host, b"Connection: close", *headers]))


def _unchunked(body: bytes) -> bytes:
    parts = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        parts.append(rest[:length])
        if not length:
            break
        body = rest[length + 2 :]
    return b"".join(parts)
