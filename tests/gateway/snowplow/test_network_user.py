"""The `sp` cookie: nobody can make one up, it stays the same id for a year, and anonymous trackers get none."""

import re
from collections.abc import Sequence

import pytest

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.snowplow.network_user import NOBODY, Identity, NetworkUsers
from latchstring_gateway.tokens.keyfile import dump, new_key
from latchstring_gateway.tokens.keyring import KeyRing

UUID = b"3f2c6d0e-8a51-4c0b-9d7e-0c5a1e2b4f60"
OLD, NEW = new_key(1, not_before_ms=0), new_key(2, not_before_ms=0)
_COOKIE = re.compile(
    rb"sp=([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.[\w-]{4,8}\.[\w-]{22})"
    rb"; Max-Age=31536000; Path=/; Secure; HttpOnly; SameSite=None"
)


def _users(*, name: str = "sp", domains: Sequence[str] = (), adopts: bool = False) -> NetworkUsers:
    return NetworkUsers(KeyRing.from_json(dump([NEW]), ManualClock()), name=name, domains=domains, adopts=adopts)


def _value(identity: Identity) -> bytes:
    match = _COOKIE.fullmatch(identity.set_cookie)
    assert match is not None, identity.set_cookie
    return match[1]


def _cookie(value: bytes, name: bytes = b"sp") -> list[tuple[bytes, bytes]]:
    return [(b"cookie", b"a=b; " + name + b"=" + value)]


def test_new_browser_gets_a_cookie_and_is_nobody_yet() -> None:
    """One that refuses cookies would otherwise be somebody new with each hit."""
    first, second = _users().identify([]), _users().identify([])

    assert first.id == second.id == b""
    assert _value(first) != _value(second)


def test_cookie_that_comes_back_is_believed_and_renewed() -> None:
    """The same id again, for another year."""
    value = _value(_users().identify([]))

    again = _users().identify(_cookie(value))

    assert again.id == value[:36]
    assert _value(again) == value


def test_cookie_of_an_older_key_keeps_its_id() -> None:
    """The seal is renewed with the key that signs now; the visitor stays who he is."""
    old = NetworkUsers(KeyRing.from_json(dump([OLD]), ManualClock()), name="sp", domains=(), adopts=False)
    both = NetworkUsers(KeyRing.from_json(dump([OLD, NEW]), ManualClock()), name="sp", domains=(), adopts=False)
    value = _value(old.identify([]))

    renewed = both.identify(_cookie(value))

    assert renewed.id == value[:36]
    assert _value(renewed) != value
    assert _value(renewed)[:36] == value[:36]
    assert _users().identify(_cookie(_value(renewed))).id == value[:36]


@pytest.mark.parametrize(
    "value",
    [
        UUID,
        UUID + b".",
        UUID + b".k3Vx9q.Zt0YpQ1c3aUeB4mN8rS2wA",
        pytest.param(UUID + b"." + NEW.id.encode() + b".", id="no seal"),
        pytest.param(UUID + b"." + NEW.id.encode() + b"." + b"A" * 22, id="made-up seal"),
        b"00000000-0000-0000-0000-000000000000",
        b"x" * 5_000,
        b"\xff",
        b"",
    ],
)
def test_made_up_cookie_is_replaced(value: bytes) -> None:
    """It counts as none: a new one is set, and nothing of it is repeated."""
    identity = _users().identify(_cookie(value))

    assert identity.id == b""
    assert _value(identity)[:36] != value[:36]


def test_seal_of_another_id_does_not_fit() -> None:
    """Nobody moves his seal to another's id; two cookies of the name are none."""
    first, second = _value(_users().identify([])), _value(_users().identify([]))

    assert _users().identify(_cookie(first[:36] + second[36:])).id == b""
    assert _users().identify(_cookie(first + b"; sp=" + second)).id == b""


def test_earlier_collectors_ids_are_adopted_only_if_the_operator_says_so() -> None:
    """Moving in: the id stays and is sealed from then on."""
    adopted = _users(adopts=True).identify(_cookie(UUID.upper()))

    assert adopted.id == UUID
    assert _value(adopted)[:36] == UUID
    assert _users().identify(_cookie(_value(adopted))).id == UUID
    assert _users(adopts=True).identify(_cookie(UUID + b".x")).id == b""


@pytest.mark.parametrize("said", [b"*", b"", b"0"])
def test_anonymous_tracker_gets_no_cookie_and_loses_the_one_it_has(said: bytes) -> None:
    """`SP-Anonymous`, whatever it says."""
    value = _value(_users().identify([]))
    anonymous = [(b"sp-anonymous", said)]

    assert _users().identify(anonymous) == NOBODY
    cleared = _users().identify(_cookie(value) + anonymous)
    assert cleared == Identity(b"", b"sp=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=None")


@pytest.mark.parametrize(
    ("origin", "domain"),
    [
        (b"https://www.example.com", b"example.com"),
        (b"https://EXAMPLE.com:8443", b"example.com"),
        (b"https://shop.acme.example", b"acme.example"),
        (b"https://notexample.com", b""),
        (b"https://example.com.evil.example", b""),
        (b"https://www.example.com; Domain=evil.example", b""),
        (b"https://www.example.com\r\nset-cookie: a=b", b""),
        (b"null", b""),
        (b"", b""),
    ],
)
def test_domain_is_one_of_the_operators(origin: bytes, domain: bytes) -> None:
    """Never a word of the request: only an origin inside a configured domain chooses it."""
    users = _users(domains=["example.com", "acme.example"])

    line = users.identify([(b"origin", origin)] if origin else []).set_cookie

    assert line.partition(b"; Domain=")[2] == domain


def test_no_name_means_no_cookie() -> None:
    """And none is read."""
    assert _users(name="", adopts=True).identify(_cookie(UUID)) == NOBODY
