"""A website for tests behind a proxy: says what it received, and answers as the query asks.

`?status=404`, `?cache=1` (everything that invites caches), `?cookie=NAME%3DVALUE` (a Set-Cookie line of its own),
`?hold=NAME` (no answer before `GET /.control/release?hold=NAME`, asked directly). Answers with JSON:
`{"method", "target", "headers": [[name, value], …], "body_bytes"}`. `/.control/who` vouches for its former session
cookie: `oldsession=ada.something` stands for ada, any other for nobody. Run: `python -m harness.echo_website --fd N`.
"""

import argparse
import asyncio
import json
import socket
import time
from typing import Any, Final
from urllib.parse import parse_qs

import uvicorn

CACHE_HEADERS: Final = (
    (b"cache-control", b"public, max-age=600"),
    (b"expires", b"Thu, 01 Jan 2099 00:00:00 GMT"),
    (b"cdn-cache-control", b"public, max-age=600"),
    (b"cloudflare-cdn-cache-control", b"max-age=600"),
    (b"surrogate-control", b"max-age=600"),
    (b"x-accel-expires", b"600"),
)

_held: dict[str, asyncio.Event] = {}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """ASGI."""
    if scope["type"] != "http":
        return
    query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
    if scope["path"] == "/.control/who":
        account, dot, _ = dict(scope["headers"]).get(b"cookie", b"").removeprefix(b"oldsession=").partition(b".")
        vouched = {"account": account.decode(), "authenticated_at_ms": time.time_ns() // 1_000_000}
        await _answer(send, 200 if dot else 401, vouched, [])
        return
    if scope["path"].startswith("/.control/"):
        name = query.get("hold", "")
        if scope["path"] == "/.control/release" and name in _held:
            _held.pop(name).set()
        await _answer(send, 200, {"held": sorted(_held)}, [])
        return
    body_bytes, more = 0, True
    while more:
        message = await receive()
        body_bytes += len(message.get("body", b""))
        more = message.get("more_body", False)
    if "hold" in query:
        await _held.setdefault(query["hold"], asyncio.Event()).wait()
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    received = {
        "method": scope["method"],
        "target": target.decode("latin-1"),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "body_bytes": body_bytes,
    }
    headers = list(CACHE_HEADERS) if "cache" in query else []
    if "cookie" in query:
        headers.append((b"set-cookie", query["cookie"].encode()))
    await _answer(send, int(query.get("status", "200")), received, headers)


async def _answer(send: Any, status: int, content: object, headers: list[tuple[bytes, bytes]]) -> None:
    body = json.dumps(content).encode()
    start = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve on the inherited socket until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    listening = socket.socket(fileno=parser.parse_args().fd)
    config = uvicorn.Config(app, access_log=False, log_level="warning", proxy_headers=False, ws="none", lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
