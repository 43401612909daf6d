"""From warehouses to ClickHouse: every event once, whatever is away, lost, forgotten or sent by two nodes."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clickhouse import SCHEMA, Running, clickhouse
from harness.hits import HOUR, NOW_MS, TRUSTED, batch, pixel, write_segment
from harness.mails import mail_hit
from harness.nodes import ship
from harness.people import ask_to_erase, erasing_house, forgetting_shipper
from harness.waiting import wait_until
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.house import House
from latchstring_gateway.housekeeping.retention import LONGEST_REPORT_MS, Keeper
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.adjustments import Adjustment, Adjustments, Unit
from latchstring_gateway.shipping.clickhouse import ClickHouse, SinkAwayError
from latchstring_gateway.shipping.commits import Commits, Count
from latchstring_gateway.shipping.deletions import FILE
from latchstring_gateway.shipping.erasures import Erasures
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.shipping.seen import Seen
from latchstring_gateway.shipping.send import Sender

pytestmark = pytest.mark.beacons

_SPAN = "since = '2027-01-15 00:00:00', until = '2027-01-16 00:00:00'"


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with clickhouse(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture
def server(_server: Running) -> Running:
    """An empty database; truncating a table forgets its tokens too."""
    _server.mood("")
    for table in ("events", "gone", "counts"):
        _server.ask(f"TRUNCATE TABLE {table}")
    return _server


def _send(data_dir: Path, server: Running, *, forgetful: bool = False) -> int:
    seen, sink = Seen(data_dir / "warehouse"), ClickHouse(server.url)
    try:
        if forgetful:
            seen._base.execute("DELETE FROM sent")
        return Sender(data_dir / "warehouse", seen, sink).send_once()
    finally:
        seen.close()
        sink.close()


def _send_until_deleted(data_dir: Path, server: Running) -> None:
    """Send until ClickHouse has deleted what was erased."""

    def deleted() -> bool:
        _send(data_dir, server)
        return not (data_dir / "warehouse" / FILE).exists()

    wait_until(deleted, "the deletion is done")


def _pages(server: Running) -> list[list[str]]:
    return server.ask(f"SELECT page, count() FROM counted({_SPAN}) GROUP BY page ORDER BY page")


def _ledger(server: Running) -> list[list[str]]:
    return server.ask(f"SELECT source, received, good, bad, duplicate, excluded FROM ledger({_SPAN})")


def test_every_column_arrives_as_it_stands_in_the_warehouse(tmp_path: Path, server: Running) -> None:
    """Same rows, same values, in all columns."""
    headers = [(b"accept-language", b"nl"), (b"sec-gpc", b"1"), (b"x-forwarded-for", b"203.0.113.7")]
    body = b'[{"page":"/a","id":"e1","t":1700000000000,"title":"x"},{"page":"https://w.example/b"}]'
    write_segment(tmp_path, [pixel(b"p=/c", headers, hit_id=b"h"), batch(body, headers), pixel(b"bad")])
    ship(tmp_path)

    assert _send(tmp_path, server) == 1

    times = ("received_at", "occurred_at", "sent_at", "happened_at")
    hexes = ("record_id", "fingerprint")
    with committed_events(tmp_path / "warehouse") as base:
        assert base is not None
        names = [name for name, *_ in base.execute("DESCRIBE events").fetchall()]
        for name in names:
            ours, theirs = name, f"toString({name})"
            if name in times:
                ours, theirs = f"epoch_ms({name})", f"toString(toUnixTimestamp64Milli({name}))"
            elif name in hexes:
                ours, theirs = f"lower(hex({name}))", f"lower(hex({name}))"
            said = base.execute(
                f"SELECT {ours.replace(name, chr(34) + name + chr(34))}::VARCHAR FROM events ORDER BY page"
            ).fetchall()
            told = server.ask(f"SELECT ifNull({theirs}, 'NULL') FROM events ORDER BY page")
            assert told == [["NULL" if value is None else value] for (value,) in said], name
    assert _ledger(server) == [["batch", "2", "2", "0", "0", "0"], ["pixel", "2", "1", "1", "0", "0"]]


def test_a_burst_of_clicks_over_two_nodes_is_a_scanner_s(tmp_path: Path, server: Running) -> None:
    """Three links of one mail in five seconds, whichever node each came to; what a person does is left alone."""
    clicks = [("/a", 0, "ada"), ("/b", 1_000, "ada"), ("/c", 5_000, "ada"), ("/a", 60_000, "ada"), ("/a", 0, "bob")]
    for number, (link, after_ms, recipient) in enumerate(clicks):
        node = tmp_path / str(number % 2)
        node.mkdir(exist_ok=True)
        write_segment(node, [mail_hit(link, at_ms=NOW_MS + after_ms, recipient=recipient)])
        ship(node)
        _send(node, server)

    columns = "recipient, link, ifNull(machine, ''), fetched_by, ifNull(rule, '')"
    assert server.ask(f"SELECT {columns} FROM counted({_SPAN}) ORDER BY recipient, received_at") == [
        ["ada", "/a", "scanner", "scanner", "burst"],
        ["ada", "/b", "scanner", "scanner", "burst"],
        ["ada", "/c", "scanner", "scanner", "burst"],
        ["ada", "/a", "", "direct", ""],
        ["bob", "/a", "", "direct", ""],
    ]


def test_sink_that_is_away_gets_everything_once_when_it_is_back(tmp_path: Path, server: Running) -> None:
    """Refused, then with every third answer lost: what waits is told, and in the end each event is there once."""
    for number in range(4):
        write_segment(tmp_path, [pixel(b"p=/%d" % number), pixel(b"p=/%d" % number)])
        ship(tmp_path)
    seen, sink = Seen(tmp_path / "warehouse"), ClickHouse(server.url)
    sender = Sender(tmp_path / "warehouse", seen, sink)
    assert (sender.waiting().commits, sender.waiting().oldest_ms) == (4, NOW_MS)
    assert sender.waiting().size_bytes > 4_000

    server.mood("refuse")
    with pytest.raises(SinkAwayError, match="503"):
        sender.send_once()
    assert sender.waiting().commits == 4
    server.mood("lose")
    tries = 0
    while sender.waiting().commits and tries < 50:
        tries += 1
        try:
            sender.send_once()
        except SinkAwayError:
            continue

    assert tries > 2
    assert sender.send_once() == 0
    assert server.ask("SELECT count() FROM events") == [["8"]]
    assert _ledger(server) == [["pixel", "8", "8", "0", "0", "0"]]
    seen.close()
    sink.close()


def test_marks_that_are_lost_cost_a_second_sending_and_nothing_else(tmp_path: Path, server: Running) -> None:
    """The index may be deleted: the tokens know."""
    write_segment(tmp_path, [pixel(b"p=/a"), pixel(b"p=/b")])
    ship(tmp_path)

    assert _send(tmp_path, server) == 1
    assert _send(tmp_path, server) == 0
    assert _send(tmp_path, server, forgetful=True) == 1
    assert server.ask("SELECT count() FROM events") == [["2"]]


def test_nothing_is_folded_or_expires_before_it_was_sent(tmp_path: Path, server: Running) -> None:
    """A sink that is away for a month costs disk and no event; what was sent is folded, and not sent again."""
    clock = ManualClock()
    for number in range(10):
        write_segment(tmp_path, [pixel(b"p=/%d" % number)])
    with Shipper(tmp_path, clock, TRUSTED) as shipper, House(tmp_path, clock, keep_days=30, sends=True) as house:
        shipper.ship_once()
        clock.advance(40 * 86_400)
        assert not house.tidy()

        assert _send(tmp_path, server) == 10
        clock.advance(120)
        while house.tidy():
            pass
    assert [commit.expired for commit in Commits(tmp_path / "warehouse").all()] == [True]
    assert _send(tmp_path, server) == 0
    assert len(_pages(server)) == 10


def test_adjustments_are_sent_too(tmp_path: Path, server: Running) -> None:
    """Rows that count no more are left out, and the ledger says what this node's ledger says."""
    write_segment(tmp_path, [pixel(b"p=/a"), pixel(b"p=/b")])
    ship(tmp_path)
    _send(tmp_path, server)
    (commit,) = Commits(tmp_path / "warehouse").all()
    with committed_events(tmp_path / "warehouse") as base:
        assert base is not None
        ((record_id,),) = base.execute("SELECT record_id FROM events WHERE page = '/a'").fetchall()
    changes = [Count("pixel", HOUR, good=-1, duplicate=1)]
    gone = [Unit(record_id.hex(), 0)]
    adjustment = Adjustment(
        id="A" * 22, made_at_ms=NOW_MS, commit=commit.segment, why="duplicates", changes=changes, gone_rows=gone
    )
    Adjustments(tmp_path / "warehouse").add(adjustment)

    assert _send(tmp_path, server) == 1

    assert _pages(server) == [["/b", "1"]]
    assert _ledger(server) == [["pixel", "2", "1", "0", "1", "0"]]
    assert ledger(tmp_path).problems == []


def test_fold_of_before_there_was_a_sink_is_sent_whole(tmp_path: Path, server: Running) -> None:
    """Whoever turns a sink on later gets the history too."""
    clock = ManualClock()
    for number in range(8):
        write_segment(tmp_path, [pixel(b"p=/%d" % number)])
    ship(tmp_path)
    clock.advance(2 * 86_400)
    keeper = Keeper(tmp_path / "warehouse", clock)
    assert keeper.keep()

    assert _send(tmp_path, server) == 1
    assert len(_pages(server)) == 8


def test_retries_at_another_node_and_days_later_count_once(tmp_path: Path, server: Running) -> None:
    """By event id and content, and by a proxy's request id; the ledger of all nodes adds up all the same."""
    day = 86_400_000
    first, second = tmp_path / "first", tmp_path / "second"
    write_segment(first, [batch(b'{"page":"/e","id":"e"}'), pixel(b"p=/h", hit_id=b"h"), pixel(b"p=/one")])
    later = [
        batch(b'{"page":"/e","id":"e"}', at_ms=NOW_MS + 3_000),
        batch(b'{"page":"/other","id":"e"}', at_ms=NOW_MS + 3_000),
        pixel(b"p=/h", hit_id=b"h", at_ms=NOW_MS + 3_000),
        batch(b'{"page":"/e","id":"e"}', at_ms=NOW_MS + 6 * day),
        batch(b'{"page":"/e","id":"e"}', at_ms=NOW_MS + 8 * day),
    ]
    # The second node has an index of its own, so it sees the retries of its own retries only.
    write_segment(second, later)
    for node in (first, second):
        ship(node)
        assert _send(node, server) == 1

    assert _pages(server) == [["/e", "1"], ["/h", "1"], ["/one", "1"], ["/other", "1"]]
    assert _ledger(server) == [["batch", "3", "2", "0", "1", "0"], ["pixel", "3", "2", "0", "1", "0"]]
    later_days = "since = '2027-01-16 00:00:00', until = '2027-02-01 00:00:00'"
    assert server.ask(f"SELECT page FROM counted({later_days})") == [["/e"]]
    assert sum(ledger(node).total.received for node in (first, second)) == 8


def test_queries_of_the_recipe_run(server: Running) -> None:
    """What a reader copies works."""
    text = (SCHEMA.parent / "README.md").read_text()
    queries = re.findall(r"(SELECT .*?);", text.partition("```sql")[2].partition("```")[0], re.DOTALL)
    assert len(queries) == 2

    for query in queries:
        server.ask(query)


def test_erased_events_are_deleted_there_before_they_are_rewritten_here(tmp_path: Path, server: Running) -> None:
    """Not hidden but gone, from what reports ask and from the table; the ledger counts them as excluded."""
    clock = ManualClock()
    write_segment(tmp_path, [pixel(b"p=/hers&consent=granted&user=ada"), pixel(b"p=/others")])
    with forgetting_shipper(tmp_path, clock) as shipper, erasing_house(tmp_path, clock, sends=True) as house:
        shipper.ship_once()
        _send(tmp_path, server)
        erasure = ask_to_erase(tmp_path, users=["ada"])
        while house.tidy():
            pass
        waiting = Erasures(tmp_path / "warehouse").read(erasure)
        assert waiting is not None
        assert waiting.state == "rewriting"
        assert server.ask("SELECT count() FROM events") == [["2"]]

        server.mood("refuse")
        with pytest.raises(SinkAwayError):
            _send(tmp_path, server)
        server.mood("lose")
        for _ in range(3):
            with contextlib.suppress(SinkAwayError):
                _send(tmp_path, server)
        server.mood("")
        _send_until_deleted(tmp_path, server)
        assert len((server.folder / "deletions").read_text()) == 1

        assert server.ask("SELECT page FROM events") == [["/others"]]
        assert _pages(server) == [["/others", "1"]]
        assert _ledger(server) == [["pixel", "2", "1", "0", "0", "1"]]
        for _ in range(2):
            while house.tidy():
                pass
            clock.advance(LONGEST_REPORT_MS / 1_000 + 1)
        done = Erasures(tmp_path / "warehouse").read(erasure)
        assert done is not None
        assert done.state == "complete"
        assert _send(tmp_path, server) == 0
