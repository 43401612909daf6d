"""What one client may cost: bytes, seconds and memory, with seconds let pass by hand."""

import asyncio
import tracemalloc

import pytest
from structlog.testing import capture_logs

from harness.doors import HIGH_WATER_BYTES, Connection, MemoryTransport, request
from latchstring_gateway.server.limits import ServerLimits


def let_pass(connection: Connection, seconds: int) -> None:
    """The sweep comes once a second."""
    for _second in range(seconds):
        connection.fast.door.sweep()


async def test_a_head_of_50_mb_gets_431_and_costs_no_memory() -> None:
    """A header line that never ends is refused at 64 KiB; what still comes is thrown away, and then cut off."""
    connection = Connection("fast")
    connection.feed(b"GET /fast HTTP/1.1\r\nX: ")
    block = b"a" * 65_536
    tracemalloc.start()

    for _block in range(800):
        connection.feed(block)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert connection.sent.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert connection.sent.count(b"HTTP/1.1") == 1
    assert connection.transport.closing
    assert peak < 1_000_000


async def test_the_longest_head_is_exactly_the_limit() -> None:
    """65,536 bytes are taken, one more is not, in one packet or in many."""
    bare = len(request(b"/fast", headers=b"X: \r\n"))

    for extra, status in ((0, b"200"), (1, b"431")):
        data = request(b"/fast", headers=b"X: %s\r\n" % (b"a" * (65_536 - bare + extra)))
        for size in (len(data), 1_000):
            connection = Connection("fast")
            for start in range(0, len(data), size):
                connection.feed(data[start : start + size])
            assert connection.sent[9:12] == status
            connection.close()


@pytest.mark.parametrize(("lines", "status"), [(99, b"200"), (100, b"431")])
async def test_too_many_header_lines_get_431(lines: int, status: bytes) -> None:
    """A hundred header lines are taken (Host is one), one more is not."""
    connection = Connection("fast")

    connection.feed(request(b"/fast", b"HEAD", headers=b"a: b\r\n" * lines))

    assert connection.sent[9:12] == status
    connection.close()


async def test_a_short_get_may_have_more_lines_and_a_long_one_may_not() -> None:
    """A hot route looks for a few headers in a short head; what a long one costs is bounded by its lines."""
    for letters, status in ((1, b"200"), (80, b"431")):
        connection = Connection("fast")

        connection.feed(request(b"/fast", headers=b"a: %s\r\n" % (b"b" * letters) * 101))

        assert connection.sent[9:12] == status
        connection.close()


async def test_half_a_head_that_never_ends_gets_408() -> None:
    """Ten seconds from the first byte, however busily more of the head trickles in."""
    connection = Connection("fast")
    connection.feed(b"GET /fast HT")
    let_pass(connection, 9)
    connection.feed(b"TP/1.1\r\nX: y\r\n")
    early = connection.sent

    let_pass(connection, 1)

    assert early == b""
    assert connection.sent.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert connection.sent.count(b"connection: close") == 1
    assert connection.transport.ended


async def test_a_refused_client_that_goes_on_sending_is_cut_off() -> None:
    """It gets some seconds to see why, no more."""
    connection = Connection("fast")
    connection.feed(b"nonsense\r\n\r\n")
    connection.feed(b"more")
    before = connection.transport.closing

    let_pass(connection, 6)

    assert not before
    assert connection.transport.closing


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n"])
async def test_a_connection_that_never_sends_a_request_is_closed(sent: bytes) -> None:
    """A new connection has the keep-alive time, and empty lines do not prolong it."""
    connection = Connection("fast")
    for _second in range(74):
        if sent:
            connection.feed(sent)
        let_pass(connection, 1)
    early = connection.transport.closing

    let_pass(connection, 1)

    assert not early
    assert connection.transport.closing
    assert connection.sent == b""


@pytest.mark.parametrize("target", [b"/fast", b"/kept", b"/other"])
async def test_an_idle_connection_is_closed_after_the_keep_alive_time(target: bytes) -> None:
    """Counted from the last answer, whichever door gave it."""
    connection = Connection("fast")
    let_pass(connection, 60)
    connection.feed(request(target))
    await connection.settle()
    let_pass(connection, 74)
    early = connection.transport.closing

    let_pass(connection, 1)

    assert not early
    assert connection.transport.closing


@pytest.mark.parametrize("target", [b"/body", b"/other"])
async def test_a_body_that_never_comes_gets_408(target: bytes) -> None:
    """Thirty seconds, for a hot route and for the app, which sees a disconnect."""
    connection = Connection("fast")
    connection.feed(b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc" % target)
    await connection.settle()
    let_pass(connection, 29)
    early = connection.sent

    let_pass(connection, 1)
    await connection.settle()

    assert early == b""
    assert connection.sent.startswith(b"HTTP/1.1 408 ")
    assert connection.transport.ended
    assert connection.journal.kept == []
    assert not connection.state.tasks


async def test_a_client_that_stops_reading_is_not_read_from() -> None:
    """A million pipelined requests cost one answer buffer and one read, and are all answered once it reads on."""
    connection = Connection("fast")
    connection.transport.client_reads = False
    packet = request(b"/fast") * 5_000

    connection.feed(packet)

    assert not connection.transport.reading
    assert len(connection.transport.unsent) < HIGH_WATER_BYTES + 1_000

    while connection.sent.count(b"HTTP/1.1 200") < 5_000:
        connection.transport.let_client_read()
        connection.transport.client_reads = False
        await asyncio.sleep(0)
    assert connection.sent.count(b"HTTP/1.1 200") == 5_000
    connection.transport.let_client_read()
    await connection.settle()
    assert connection.transport.reading
    connection.close()


async def test_a_client_that_takes_nothing_for_30_seconds_is_cut_off() -> None:
    """Its answers are thrown away with the connection."""
    connection = Connection("fast")
    connection.transport.client_reads = False
    connection.feed(request(b"/fast") * 5_000)
    let_pass(connection, 30)
    early = connection.transport.closing

    let_pass(connection, 1)

    assert not early
    assert connection.transport.closing


async def test_more_connections_than_allowed_get_503() -> None:
    """And when to come back; a place that is free again is used."""
    connection = Connection("fast", ServerLimits(max_connections=1))
    second = connection.make()
    refused = MemoryTransport(second)
    second.connection_made(refused)
    second.data_received(request(b"/fast"))

    connection.close()
    await asyncio.sleep(0)
    third = connection.make()
    admitted = MemoryTransport(third)
    third.connection_made(admitted)
    third.data_received(request(b"/fast"))

    assert refused.sent.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: 5\r\n" in refused.sent
    assert refused.closing
    assert admitted.sent.startswith(b"HTTP/1.1 200 OK\r\n")
    admitted.abort()


async def test_a_peer_that_cannot_be_named_is_not_served() -> None:
    """A TCP client that is gone before it is asked must not pass for a Unix socket, which is trusted."""
    connection = Connection("fast")
    nameless = connection.make()
    transport = MemoryTransport(nameless, peer=None)

    nameless.connection_made(transport)

    assert transport.closing
    connection.close()


async def test_malformed_requests_are_logged_at_debug_only() -> None:
    """Garbage from the internet is no news, and never a stack trace."""
    connection = Connection("fast")

    with capture_logs() as logs:
        connection.feed(b"\x16\x03\x01\x02")

    assert [(entry["log_level"], entry["event"]) for entry in logs] == [("debug", "malformed request")]
    assert "exc_info" not in logs[0]


@pytest.mark.parametrize("sent", [b"", b"GET /fast HT", request(b"/fast"), b"garbage\r\n\r\n"])
async def test_shutdown_closes_whoever_waits_for_nothing(sent: bytes) -> None:
    """Idle, half a head, already answered, already refused: closed at once."""
    connection = Connection("fast")
    connection.feed(sent)

    connection.protocol.shutdown()

    assert connection.transport.closing


@pytest.mark.parametrize("target", [b"/kept", b"/other"])
async def test_shutdown_answers_what_is_in_flight_and_drops_what_is_behind_it(target: bytes) -> None:
    """The answer says that it is the last one."""
    connection = Connection("fast")
    connection.feed(request(target) + request(b"/fast"))

    connection.protocol.shutdown()
    await connection.settle()

    assert connection.sent.count(b"HTTP/1.1 20") == 1
    assert b"\r\nconnection: close\r\n" in connection.sent
    assert connection.transport.closing


async def test_shutdown_lets_a_body_that_is_coming_come() -> None:
    """A batch of hits half received is taken whole, kept and answered."""
    connection = Connection("fast")
    data = request(b"/body", b"POST", body=b"abcdef")
    connection.feed(data[:-3])

    connection.protocol.shutdown()
    connection.feed(data[-3:])
    connection.journal.commit()

    assert connection.journal.kept == [b"/body abcdef"]
    assert connection.sent.endswith(b"\r\nconnection: close\r\n\r\nkept abcdef")
    assert connection.transport.closing


async def test_shutdown_does_not_wait_for_a_client_that_stopped_reading() -> None:
    """It gets the seconds of a closing connection, then it is cut off."""
    connection = Connection("fast")
    connection.transport.client_reads = False
    connection.feed(request(b"/fast") * 5_000)

    connection.protocol.shutdown()
    let_pass(connection, 6)

    assert connection.transport.lost


async def test_a_client_that_leaves_before_the_commit_harms_nobody() -> None:
    """Its hit is kept; the answer goes nowhere."""
    connection = Connection("fast")
    connection.feed(request(b"/kept?1"))

    connection.close()
    await asyncio.sleep(0)
    connection.journal.commit()

    assert connection.journal.kept == [b"/kept?1 "]
    assert connection.sent == b""
    assert not connection.fast.door.connections


async def test_a_get_with_a_chunked_body_and_more_behind_it_is_answered_and_closed() -> None:
    """Nobody sends that; what is behind it is not guessed at."""
    connection = Connection("fast")
    first = b"GET /other HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"

    connection.feed(first + request(b"/fast"))
    await connection.settle()

    assert connection.sent.count(b"HTTP/1.1 200") == 1
    assert connection.transport.closing
