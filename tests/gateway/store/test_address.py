"""Where the store is: every spelling of LATCHSTRING_STORE, and no password in what is refused."""

import pytest

from latchstring_gateway.store.address import parse, with_passwords


@pytest.mark.parametrize("url", ["redis://127.0.0.1:6379/0", "rediss://store", "unix:///run/valkey.sock"])
def test_one_server_is_spelled_as_redis_py_has_it(url: str) -> None:
    """Nothing of ours stands between."""
    assert parse(url).kind == "one"


def test_sentinels_are_named_with_the_primary_s_name() -> None:
    """Hosts with their usual port, a user, a database, and the Sentinels' own password."""
    found = parse("redis+sentinel://app:p%40ss@one,two:26380,[::1]:26381/latch/3?sentinel_password=other")

    assert (found.kind, found.service) == ("sentinel", "latch")
    assert found.seeds == (("one", 26_379), ("two", 26_380), ("::1", 26_381))
    assert found.options == {"username": "app", "password": "p@ss", "db": 3}
    assert found.sentinel_options == {"password": "other"}


def test_a_cluster_is_named_by_some_of_its_members() -> None:
    """TLS as with one server."""
    found = parse("rediss+cluster://:secret@one:7000,two?ssl_ca_certs=/etc/ca.pem")

    assert (found.kind, found.seeds) == ("cluster", (("one", 7_000), ("two", 6_379)))
    assert found.options["password"] == "secret"
    assert found.options["ssl_ca_certs"] == "/etc/ca.pem"
    assert "connection_class" in found.options


@pytest.mark.parametrize(
    "url",
    [
        "http://:hidden@one",
        "redis+sentinel://:hidden@one:26379",
        "redis+sentinel://:hidden@one:26379/latch/three",
        "redis+sentinel://:hidden@one:26379/latch/3/4",
        "redis+sentinel://:hidden@/latch",
        "redis+sentinel://:hidden@one:0/latch",
        "redis+sentinel://:hidden@one:99999/latch",
        "redis+sentinel://:hidden@one,,two/latch",
        "redis+cluster://:hidden@one:7000/1",
        "redis+cluster://:hidden@one:port",
        "redis://:hidden@one:6379?socket_timeout=hidden",
        "redis+cluster://:hidden@one?socket_timeout=hidden",
        "redis+other://:hidden@one",
        "",
    ],
)
def test_what_cannot_be_read_is_refused_without_repeating_it(url: str) -> None:
    """The URL may hold a password."""
    with pytest.raises(ValueError) as refusal:
        parse(url)

    assert "hidden" not in str(refusal.value)
    assert "expected" in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://one:6379/0", "redis://:p%40ss@one:6379/0"),
        ("redis://app@one", "redis://app:p%40ss@one"),
        ("redis://app:old@one", "redis://app:p%40ss@one"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock?password=p%40ss"),
        ("redis+sentinel://one,two/latch", "redis+sentinel://:p%40ss@one,two/latch?sentinel_password=s"),
        ("redis+cluster://one,two", "redis+cluster://:p%40ss@one,two"),
    ],
)
def test_passwords_from_files_find_their_place(url: str, expected: str) -> None:
    """Percent-encoded, and the Sentinels' only where there are some."""
    assert with_passwords(url, password="p@ss", sentinel_password="s") == expected
    assert with_passwords(url, password=None, sentinel_password=None) == url
    assert parse(expected).options["password"] == "p@ss"


def test_nothing_secret_is_shown() -> None:
    """An address in a log or a traceback tells hosts only."""
    assert "secret" not in repr(parse("redis+sentinel://:secret@one/latch?sentinel_password=secret"))
