"""From warehouses to ClickHouse: every event once, whatever is away, lost, forgotten or sent by two nodes."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import structlog

from harness.clickhouse import SCHEMA, Running, clickhouse
from harness.hits import HOUR, NOW_MS, TRUSTED, batch, pixel, write_segment
from harness.mails import mail_hit
from harness.nodes import ship
from harness.people import ask_to_erase, erasing_house, forgetting_shipper
from harness.waiting import wait_until
from harness.warehouse import commit
from latchstring_gateway import metrics
from latchstring_gateway.background import Work
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.check import check, give_up
from latchstring_gateway.housekeeping.house import House
from latchstring_gateway.housekeeping.retention import LONGEST_REPORT_MS, Keeper
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.adjustments import Adjustment, Adjustments, Unit
from latchstring_gateway.shipping.clickhouse import ClickHouse, SinkAwayError, SinkRefusedError
from latchstring_gateway.shipping.commits import Commit, Commits, Count
from latchstring_gateway.shipping.deletions import FILE
from latchstring_gateway.shipping.durable import make_directory
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
    (_server.folder / "deletions").unlink(missing_ok=True)
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


def _commits_of(data_dir: Path, count: int) -> list[Commit]:
    """Ship so many segments of one page each, /0 and so on."""
    for number in range(count):
        write_segment(data_dir, [pixel(b"p=/%d" % number)])
        ship(data_dir)
    return Commits(data_dir / "warehouse").all()


def _spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


class _Sending:
    """A sender on a driven clock, and what it says of its records."""

    def __init__(self, data_dir: Path, server: Running) -> None:
        make_directory(data_dir / "warehouse")
        self.clock = ManualClock()
        self.work = Work(self.clock)
        self._seen, self._sink = Seen(data_dir / "warehouse"), ClickHouse(server.url)
        records = self.work.task("send_records", within_seconds=300, remedy="mend it")
        self.sender = Sender(
            data_dir / "warehouse", self._seen, self._sink, self.clock, failed=records.failed, clear=records.done
        )

    def close(self) -> None:
        self._seen.close()
        self._sink.close()


@pytest.fixture
def sending(tmp_path: Path, server: Running) -> Iterator[_Sending]:
    """A sender of the data directory."""
    made = _Sending(tmp_path, server)
    yield made
    made.close()


@pytest.mark.parametrize("damage", [Path.unlink, _cut, _spoil])
def test_a_file_that_cannot_be_read_costs_its_commit_and_no_other(
    tmp_path: Path, server: Running, sending: _Sending, damage: Callable[[Path], None]
) -> None:
    """One damaged Parquet file ended every turn of the sender, and all behind it waited for ever."""
    commits = _commits_of(tmp_path, 4)
    path = tmp_path / "warehouse" / commits[1].events[0].path
    whole = path.read_bytes()
    damage(path)

    with structlog.testing.capture_logs() as log:
        assert sending.sender.send_once() == 3
        for _ in range(3):
            assert sending.sender.send_once() == 0
            sending.clock.advance(6)

    assert [line["record"] for line in log if line["event"] == "record_held_up"] == [commits[1].segment]
    assert commits[1].events[0].path in next(line["reason"] for line in log if line["event"] == "record_held_up")
    assert metrics.SINK_HELD_UP._value.get() == 1
    assert [trouble.task for trouble in sending.work.troubles()] == ["send_records"]
    assert sending.sender.waiting().commits == 1
    assert len(_pages(server)) == 3

    path.write_bytes(whole)
    sending.clock.advance(900)
    assert sending.sender.send_once() == 1
    assert sending.sender.send_once() == 0
    assert sending.work.troubles() == []
    assert metrics.SINK_HELD_UP._value.get() == 0
    assert len(_pages(server)) == 4
    assert _ledger(server) == [["pixel", "4", "4", "0", "0", "0"]]


def test_a_damaged_file_that_is_given_up_is_sent_as_excluded(
    tmp_path: Path, server: Running, sending: _Sending
) -> None:
    """After --quarantine nothing is held up, and the sink's ledger says what this node's says."""
    commits = _commits_of(tmp_path, 3)
    _cut(tmp_path / "warehouse" / commits[0].events[0].path)
    assert sending.sender.send_once() == 2

    give_up(tmp_path / "warehouse", check(tmp_path / "warehouse"), sending.clock)
    sending.clock.advance(900)

    assert sending.sender.send_once() == 2
    assert sending.work.troubles() == []
    assert len(_pages(server)) == 2
    assert _ledger(server) == [["pixel", "3", "2", "0", "0", "1"]]
    assert ledger(tmp_path).problems == []


def test_rows_that_the_sink_does_not_take_cost_their_commit_and_no_other(
    tmp_path: Path, server: Running, sending: _Sending
) -> None:
    """An insert that ClickHouse refused was tried again for ever, and all behind it waited.

    As long as it takes nothing else it may be away, whatever it says, and nothing is held up.
    """
    bad = [commit(tmp_path, [{"page": "/bad"}], at_ms=NOW_MS - 1) for _ in range(3)]
    for made in bad:
        path = tmp_path / "warehouse" / made.events[0].path
        table = pq.ParquetFile(path).read()
        words = pa.array(["no number"] * table.num_rows)
        pq.write_table(table.set_column(table.schema.get_field_index("unit"), "unit", words), path)
    for _ in range(2):
        with pytest.raises(SinkRefusedError, match="no number"):
            sending.sender.send_once()
    assert sending.work.troubles() == []

    _commits_of(tmp_path, 2)
    with structlog.testing.capture_logs() as log:
        assert sending.sender.send_once() == 2
        sending.clock.advance(6)
        assert sending.sender.send_once() == 0

    named = {line["record"] for line in log if line["event"] == "record_held_up"}
    assert named == {made.segment for made in bad}
    assert sending.sender.waiting().commits == 3
    assert [trouble.task for trouble in sending.work.troubles()] == ["send_records"]
    assert len(_pages(server)) == 2


def test_a_sink_that_takes_nothing_holds_no_record_up(tmp_path: Path, server: Running, sending: _Sending) -> None:
    """A table that is not there is an outage: everything waits, and goes when it is back."""
    _commits_of(tmp_path, 5)
    server.ask("RENAME TABLE counts TO counts_away")
    for _ in range(4):
        with pytest.raises(SinkAwayError):
            sending.sender.send_once()
    assert sending.sender.waiting().commits == 5
    server.ask("RENAME TABLE counts_away TO counts")

    assert sending.sender.send_once() == 5
    assert sending.work.troubles() == []
    assert server.ask("SELECT count() FROM events") == [["5"]]
    assert _ledger(server) == [["pixel", "5", "5", "0", "0", "0"]]


def test_what_is_to_be_deleted_is_sent_before_its_deletion(tmp_path: Path, server: Running, sending: _Sending) -> None:
    """An erased row of a commit that is held up would reach the sink after its deletion, and stay there."""
    clock = sending.clock
    write_segment(tmp_path, [pixel(b"p=/hers&consent=granted&user=ada"), pixel(b"p=/others")])
    write_segment(tmp_path, [pixel(b"p=/more")])
    with forgetting_shipper(tmp_path, clock) as shipper, erasing_house(tmp_path, clock, sends=True) as house:
        shipper.ship_once()
        ask_to_erase(tmp_path, users=["ada"])
        while house.tidy():
            pass
        (adjustment,) = Adjustments(tmp_path / "warehouse").all()
        path = tmp_path / "warehouse" / Commits(tmp_path / "warehouse").read(adjustment.commit).events[0].path
        path.rename(path.with_suffix(".away"))

        assert sending.sender.send_once() == 1
        assert not (tmp_path / "warehouse" / FILE).exists()
        path.with_suffix(".away").rename(path)
        clock.advance(900)

        def deleted() -> bool:
            sending.sender.send_once()
            return sending.sender.waiting().commits == 0

        wait_until(deleted, "everything is sent and deleted")
    assert server.ask("SELECT page FROM events ORDER BY page") == [["/more"], ["/others"]]
    assert _ledger(server) == [["pixel", "3", "2", "0", "0", "1"]]


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
