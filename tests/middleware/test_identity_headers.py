"""No identity header of a client's gets through, however it is spelled."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from harness.asgi import ask
from latchstring_middleware.forwarded import TrustedProxies
from latchstring_middleware.identity_headers import (
    StripIdentity,
    is_identity_alias,
    keep_proxys_identity,
    strip_identity,
)

Headers = list[tuple[bytes, bytes]]

ALIASES = [
    b"x-latch-account",
    b"X-Latch-Account",
    b"X-LATCH-ACCOUNT",
    b"x_latch_account",
    b"X_Latch-Account",
    b"x-latch_account",
    b"x.latch.account",
    b"X.Latch_Account",
    b"x-latch-",
    b"x_latch_",
    b"x-latch-passport",
    b"x-latch-anything-new",
]
OTHERS = [b"x-latch", b"x-latches-account", b"x-latchaccount", b"xlatch-account", b"ax-latch-account", b"cookie", b""]


@pytest.mark.parametrize("name", ALIASES)
def test_any_spelling_some_server_folds_is_an_alias(name: bytes) -> None:
    """Hyphen, underscore and dot are one character to CGI and PHP (CVE-2025-64484)."""
    assert is_identity_alias(name)


@pytest.mark.parametrize("name", OTHERS)
def test_other_headers_are_not_aliases(name: bytes) -> None:
    """Only names that begin with the whole prefix count."""
    assert not is_identity_alias(name)


def test_another_prefix_folds_in_the_same_way() -> None:
    """A website may protect headers of its own."""
    assert is_identity_alias(b"Remote_Groups", b"remote-")
    assert not is_identity_alias(b"Remote_Groups")


@given(st.lists(st.tuples(st.sampled_from(ALIASES + OTHERS), st.binary(max_size=4))))
def test_stripping_leaves_the_others_in_order(headers: Headers) -> None:
    """Everything else stays, in its order, duplicates included."""
    assert strip_identity(headers) == [header for header in headers if header[0] in OTHERS]


@given(st.text("xX", min_size=1, max_size=1), st.lists(st.sampled_from("-_."), min_size=2, max_size=2), st.data())
def test_every_mixture_of_case_and_separator_is_stripped(x: str, separators: list[str], data: st.DataObject) -> None:
    """There is no spelling left over."""
    latch = "".join(data.draw(st.sampled_from([c, c.upper()])) for c in "latch")
    name = f"{x}{separators[0]}{latch}{separators[1]}account".encode()

    assert strip_identity([(name, b"admin")]) == []


async def seen_by(app_of: Callable[..., StripIdentity], headers: Headers, **scope: Any) -> Headers:
    """The headers the app behind the middleware sees."""
    seen: list[Headers] = []

    async def app(inner: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(inner["headers"])

    await ask(app_of(app), headers=headers, **scope)
    return seen[0]


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_an_app_that_faces_browsers_never_sees_one(kind: str) -> None:
    """Requests and WebSocket handshakes alike, and the server's own scope is left alone."""
    headers = [(b"host", b"a"), *[(name, b"admin") for name in ALIASES], (b"x-latch", b"kept")]
    before = list(headers)

    assert await seen_by(StripIdentity, headers, type=kind) == [(b"host", b"a"), (b"x-latch", b"kept")]
    assert headers == before


@pytest.mark.parametrize(
    ("client", "kept"),
    [(("192.0.2.10", 1), False), (("10.0.0.1", 1), True), (("::ffff:10.0.0.1", 1), True), (None, True)],
)
async def test_behind_a_proxy_only_the_proxys_word_is_kept(client: object, kept: bool) -> None:
    """A trusted peer keeps the exact spelling; a client that reaches the website past the proxy does not."""
    proxies = TrustedProxies.parse("10.0.0.0/8,unix:")
    headers = [(b"x-latch-account", b"ada"), (b"x_latch_account", b"admin"), (b"x.latch.level", b"fresh")]

    seen = await seen_by(lambda app: StripIdentity(app, trusted_proxies=proxies), headers, client=client)

    assert seen == ([(b"x-latch-account", b"ada")] if kept else [])


async def test_without_a_named_unix_socket_an_unknown_peer_is_a_stranger() -> None:
    """A scope without an address is trusted only if the operator trusts Unix sockets."""
    proxies = TrustedProxies.parse("127.0.0.1")
    headers = [(b"x-latch-account", b"admin")]

    assert await seen_by(lambda app: StripIdentity(app, trusted_proxies=proxies), headers, client=None) == []


def test_a_header_the_proxy_added_to_the_clients_is_dropped() -> None:
    """Two of a name mean the proxy appends where it should overwrite, so neither can be believed."""
    headers = [(b"x-latch-account", b"admin"), (b"x-latch-account", b"ada"), (b"x-latch-level", b"fresh")]

    assert keep_proxys_identity(headers) == [(b"x-latch-level", b"fresh")]


@pytest.mark.parametrize("prefix", [b"x-latch", b"X-Latch-", b"x_latch-"])
def test_a_prefix_that_cannot_match_is_refused(prefix: bytes) -> None:
    """A misspelled prefix would protect nothing."""
    with pytest.raises(ValueError):
        StripIdentity(None, prefix=prefix)  # type: ignore[arg-type]
