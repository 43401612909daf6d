"""Where the store is: every spelling of LATCHSTRING_STORE, and no password in what is refused."""

from pathlib import Path

import pytest

from latchstring_gateway.store.address import parse, with_password_files


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
        ("redis://one:6379/0", ("p@ss",)),
        ("redis://app@one", ("app", "p@ss")),
        ("redis://app:old@one", ("app", "p@ss")),
        ("redis://one?socket_timeout=3", ("p@ss",)),
        ("unix:///run/valkey.sock", ("p@ss",)),
        ("redis+sentinel://one,two/latch", ("p@ss",)),
        ("redis+cluster://app@one,two", ("app", "p@ss")),
    ],
)
async def test_passwords_from_files_are_shown_as_they_are_now(
    tmp_path: Path, url: str, expected: tuple[str, ...]
) -> None:
    """Before one that the URL names; the Sentinels' only where there are some, and no password in any text."""
    (tmp_path / "a b&c").write_text("p@ss\n")
    (tmp_path / "sentinels").write_text("s\n")
    made = with_password_files(url, password_file=tmp_path / "a b&c", sentinel_password_file=tmp_path / "sentinels")
    found = parse(made)

    assert "p%40ss" not in made
    assert await found.options["credential_provider"].get_credentials_async() == expected
    assert not {"username", "password", "password_file"} & found.options.keys()
    assert ("credential_provider" in found.sentinel_options) == ("sentinel" in url)
    (tmp_path / "a b&c").write_text("new\n")
    assert (await found.options["credential_provider"].get_credentials_async())[-1] == "new"
    assert with_password_files(url, password_file=None, sentinel_password_file=None) == url


def test_nothing_secret_is_shown() -> None:
    """An address in a log or a traceback tells hosts only."""
    assert "secret" not in repr(parse("redis+sentinel://:secret@one/latch?sentinel_password=secret"))
