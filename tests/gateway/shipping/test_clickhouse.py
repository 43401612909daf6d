"""Inserts into a real ClickHouse: once, whatever is sent twice; and what its engines really do with tokens."""

from collections.abc import Iterator

import pytest

from harness.clickhouse import Running, clickhouse
from latchstring_gateway.shipping.clickhouse import ClickHouse, SinkAwayError

pytestmark = pytest.mark.beacons


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with clickhouse(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture
def sink(server: Running) -> Iterator[ClickHouse]:
    """A client of it."""
    found = ClickHouse(server.url)
    yield found
    found.close()


def _line(commit: str) -> bytes:
    return b'{"commit":"%s","source":"pixel","hour":"2027-01-15T08","received":1,"good":1}\n' % commit.encode()


def test_insert_that_is_repeated_under_its_token_is_there_once(server: Running, sink: ClickHouse) -> None:
    """Before anything is merged: without FINAL and without OPTIMIZE."""
    for _ in range(3):
        sink.insert("counts", "JSONEachRow", _line("twice"), token="t1")

    assert server.ask("SELECT count() FROM counts WHERE commit = 'twice'") == [["1"]]


def test_insert_whose_answer_is_lost_is_away_and_may_be_repeated(server: Running, sink: ClickHouse) -> None:
    """It had arrived; the second sending changes nothing."""
    server.mood("lose")
    lost = 0
    for _ in range(3):
        try:
            sink.insert("counts", "JSONEachRow", _line("lost"), token="t2")
        except SinkAwayError:
            lost += 1
    server.mood("")

    assert lost == 1
    assert server.ask("SELECT count() FROM counts WHERE commit = 'lost'") == [["1"]]


def test_refusal_is_told_without_user_and_password(server: Running) -> None:
    """A wrong password, a missing table, a server that is not there: each is an error that says which."""
    wrong = ClickHouse(server.url.replace("secret", "guessed"))
    with pytest.raises(SinkAwayError, match="403") as refused:
        wrong.insert("counts", "JSONEachRow", _line("x"), token="t3")
    right = ClickHouse(server.url)
    with pytest.raises(SinkAwayError, match="500"):
        right.insert("nowhere", "JSONEachRow", _line("x"), token="t3")
    gone = ClickHouse("http://writer:secret@127.0.0.1:1/latchstring")
    with pytest.raises(SinkAwayError, match="ConnectError") as away:
        gone.insert("counts", "JSONEachRow", _line("x"), token="t3")

    assert "guessed" not in str(refused.value)
    assert "secret" not in str(away.value)
    for client in (wrong, right, gone):
        client.close()


@pytest.mark.parametrize(
    ("engine", "settings", "at_once", "merged"),
    [
        ("MergeTree", "", 4, 4),
        ("MergeTree", "SETTINGS non_replicated_deduplication_window = 100", 2, 2),
        ("ReplacingMergeTree", "", 4, 2),
        ("ReplacingMergeTree", "SETTINGS non_replicated_deduplication_window = 100", 2, 2),
    ],
)
def test_what_engines_do_with_the_same_token_twice(
    server: Running, engine: str, settings: str, at_once: int, merged: int
) -> None:
    """A token alone does nothing; the window makes it count; replacing makes up for it when parts are merged."""
    server.ask("DROP TABLE IF EXISTS tried")
    server.ask(f"CREATE TABLE tried (id UInt64) ENGINE = {engine} ORDER BY id {settings}")
    server.ask("SYSTEM STOP MERGES tried")
    for _ in range(2):
        server.ask("INSERT INTO tried SELECT number FROM numbers(2) SETTINGS insert_deduplication_token = 't'")

    before = server.ask("SELECT count() FROM tried")
    server.ask("SYSTEM START MERGES tried")
    server.ask("OPTIMIZE TABLE tried FINAL")

    assert (before, server.ask("SELECT count() FROM tried")) == ([[str(at_once)]], [[str(merged)]])


def test_token_is_forgotten_when_as_many_others_have_come(server: Running) -> None:
    """The window is a number of inserts: what comes again after more of them is only found by merging."""
    server.ask("DROP TABLE IF EXISTS windowed")
    server.ask(
        "CREATE TABLE windowed (id UInt64) ENGINE = ReplacingMergeTree ORDER BY id "
        "SETTINGS non_replicated_deduplication_window = 3"
    )
    server.ask("SYSTEM STOP MERGES windowed")
    for token in ("a", "b", "c", "d", "a"):
        number = ord(token)
        server.ask(f"INSERT INTO windowed SELECT {number} SETTINGS insert_deduplication_token = '{token}'")

    assert server.ask("SELECT count() FROM windowed") == [["5"]]
    assert server.ask("SELECT count() FROM windowed FINAL") == [["4"]]
