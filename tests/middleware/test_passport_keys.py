"""Keys of passports: fetched in the background, seldom, and kept when a fetch fails."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from harness.waiting import wait_until_async
from latchstring_middleware.passport_keys import PassportKeys, fetch_by_http, public_keys


def jwk(key_id: str) -> dict[str, Any]:
    """A fresh public key."""
    raw = OKPKey.import_key(Ed25519PrivateKey.generate()).as_dict(private=False)
    return {**raw, "kid": key_id, "use": "sig"}


class Edge:
    """What the edge would answer: counts the fetches, and waits or fails on demand."""

    def __init__(self, *key_ids: str) -> None:
        self.jwks: dict[str, Any] = {"keys": [jwk(key_id) for key_id in key_ids]}
        self.fetches = 0
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self) -> Mapping[str, Any]:
        """The keys, once the gate is open."""
        self.fetches += 1
        await self.gate.wait()
        if self.away:
            raise OSError("no route")
        return self.jwks


def test_only_ed25519_signature_keys_are_taken() -> None:
    """Others in the set are for somebody else; a private part is not kept."""
    private = {**OKPKey.import_key(Ed25519PrivateKey.generate()).as_dict(private=True), "kid": "private"}
    strange: list[Any] = [
        None,
        "k",
        {},
        {**jwk("x448"), "crv": "X448"},
        {**jwk("ec"), "kty": "EC"},
        {**jwk("enc"), "use": "enc"},
        {**jwk("a"), "kid": None},
        {**jwk("short"), "x": "AAAA"},
        {**jwk("number"), "x": 7},
    ]

    keys = public_keys({"keys": [*strange, jwk("good"), private]})

    assert set(keys) == {"good", "private"}
    assert not keys["private"].is_private


def test_of_two_keys_under_one_id_neither_is_taken() -> None:
    """Whoever managed to add a key must not replace one."""
    keys = public_keys({"keys": [jwk("a"), jwk("b"), jwk("a"), jwk("a")]})

    assert set(keys) == {"b"}
    with pytest.raises(ValueError):
        public_keys({"keys": [jwk("a"), jwk("a")]})


@pytest.mark.parametrize("jwks", [{}, {"keys": None}, {"keys": []}, {"keys": {"k1": {}}}, {"keys": [{"kty": "RSA"}]}])
def test_a_set_without_a_usable_key_is_an_error(jwks: dict[str, Any]) -> None:
    """It must not replace keys that work."""
    with pytest.raises(ValueError):
        public_keys(jwks)


async def test_an_unknown_key_is_fetched_once_in_the_background() -> None:
    """Asking never waits, and a flood of unknown keys makes one fetch."""
    edge = Edge("k1", "k2")
    keys = PassportKeys({"keys": edge.jwks["keys"][:1]}, edge.fetch)

    assert [keys.get(key_id) for key_id in ("k2", "k2", "evil", None, 7)] == [None] * 5
    await keys.refreshed(5)

    assert keys.get("k2") is not None
    assert [keys.get(f"evil-{n}") for n in range(100)] == [None] * 100
    assert edge.fetches == 1


async def test_after_thirty_seconds_an_unknown_key_is_worth_another_fetch() -> None:
    """The loop's own clock decides; ten minutes later the keys are refreshed without being asked."""
    edge = Edge("k1")
    keys = PassportKeys(None, edge.fetch)
    await keys.refresh()

    keys._asked_at -= 29
    assert keys.get("new") is None
    await keys.refreshed(5)
    assert edge.fetches == 1
    keys._asked_at -= 2
    assert keys.get("new") is None
    await keys.refreshed(5)
    assert edge.fetches == 2
    keys.refresh_if_stale()
    await keys.refreshed(5)
    assert edge.fetches == 2
    keys._asked_at -= 601
    keys.refresh_if_stale()
    await keys.refreshed(5)
    assert edge.fetches == 3


async def test_a_key_taken_out_of_the_set_is_dropped() -> None:
    """A refresh replaces the whole set."""
    edge = Edge("k1", "k2")
    keys = PassportKeys(None, edge.fetch)
    await keys.refresh()
    edge.jwks = {"keys": edge.jwks["keys"][1:]}

    await keys.refresh()

    assert keys.get("k1") is None
    assert keys.get("k2") is not None
    assert keys.generation == 2


async def test_a_failed_fetch_keeps_the_keys_at_hand(caplog: pytest.LogCaptureFixture) -> None:
    """What is known stays good; about the rest nothing can be said until a fetch succeeds."""
    edge = Edge("k1")
    keys = PassportKeys(edge.jwks, edge.fetch)
    edge.away = True
    await keys.refresh()

    assert keys.get("k1") is not None
    assert not keys.known
    assert "OSError" in caplog.text
    edge.away = False
    await keys.refresh()
    assert keys.known


async def test_waiting_for_a_slow_fetch_has_an_end() -> None:
    """A hung edge costs a request its patience, not more; the fetch goes on and its keys arrive."""
    edge = Edge("k1")
    edge.gate.clear()
    keys = PassportKeys(None, edge.fetch)

    assert keys.get("k1") is None
    await keys.refreshed(0.01)
    assert keys.get("k1") is None
    edge.gate.set()
    await wait_until_async(lambda: keys.get("k1"), "the keys to arrive")
    assert edge.fetches == 1


def test_outside_an_event_loop_nothing_is_fetched() -> None:
    """A synchronous caller simply has the keys it was given."""
    keys = PassportKeys({"keys": [jwk("k1")]}, Edge("k2").fetch)

    keys.refresh_if_stale()

    assert keys.get("k2") is None


async def test_given_keys_need_no_fetch() -> None:
    """Without a source, refreshing does nothing."""
    keys = PassportKeys({"keys": [jwk("k1")]}, None)

    await keys.refresh()

    assert keys.known
    assert keys.get("k1") is not None


def response(status: str, body: bytes, *fields: str) -> bytes:
    """An HTTP/1.1 answer that ends with the connection."""
    return "\r\n".join([f"HTTP/1.1 {status}", "connection: close", *fields, "", ""]).encode() + body


async def fetched_from(answer: bytes, timeout_seconds: float = 5.0) -> Mapping[str, Any]:
    """What `fetch_by_http` makes of an answer of a real server on loopback; an empty answer never comes."""
    asked: list[bytes] = []
    serving: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.append(task)
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if answer:
            writer.write(answer)
            writer.write_eof()
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        found = await fetch_by_http(f"http://127.0.0.1:{port}/jwks.json", timeout_seconds=timeout_seconds)()
    finally:
        server.close()
        await asyncio.gather(*serving)
        assert len(asked) == 1
    assert asked[0].startswith(b"GET /jwks.json ")
    return found


async def test_keys_are_fetched_by_http() -> None:
    """The default fetch reads a JSON object from the address it was given."""
    assert await fetched_from(response("200 OK", b'{"keys":[]}')) == {"keys": []}


@pytest.mark.parametrize(
    "answer",
    [
        response("302 Found", b"", "location: http://127.0.0.1:1/evil"),
        response("404 Not Found", b'{"keys":[]}'),
        response("500 Internal Server Error", b""),
        response("200 OK", b"<html>"),
        response("200 OK", b"[]"),
        response("200 OK", b" " * 65_536 + b"{}"),
        b"garbage\r\n\r\n",
    ],
)
async def test_any_other_answer_is_an_error(answer: bytes) -> None:
    """Redirects are not followed, and neither an error page nor an endless body is taken for keys."""
    with pytest.raises((ValueError, httpx.HTTPError)):
        await fetched_from(answer)


async def test_an_answer_that_does_not_come_is_an_error() -> None:
    """The fetch gives up after its time."""
    with pytest.raises(httpx.TimeoutException):
        await fetched_from(b"", timeout_seconds=0.05)
