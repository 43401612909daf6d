"""The fast door under real uvicorn and uvloop: hostile clients, and shutdown in the middle of each."""

import asyncio
import contextlib
import re
import resource
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import uvicorn

from harness.doors import ROUTES, ordinary, request
from harness.waiting import wait_until
from latchstring_gateway.server.limits import ServerLimits
from latchstring_gateway.server.protocol import FastProtocol, fast_protocol


class HeldJournal:
    """Commits at the end of the loop's turn, or only when let go."""

    def __init__(self) -> None:
        self.held = False
        self.waiting: list[Callable[[bool], object]] = []
        self.loop: asyncio.AbstractEventLoop | None = None

    def append(self, _payload: bytes, done: Callable[[bool], object]) -> None:
        """See `Journal.append`."""
        self.loop = asyncio.get_running_loop()
        self.waiting.append(done)
        if not self.held:
            self.loop.call_soon(self._commit)

    def let_go(self) -> None:
        """Commit from another thread."""
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self._commit)

    def _commit(self) -> None:
        waiting, self.waiting = self.waiting, []
        for done in waiting:
            done(True)


class Served:
    """A server in a thread of its own, on a free port."""

    def __init__(self, limits: ServerLimits) -> None:
        self.journal = HeldJournal()
        self.protocol: type[FastProtocol] = fast_protocol(ROUTES, self.journal.append, limits)
        config = uvicorn.Config(
            ordinary,
            http=self.protocol,
            loop="uvloop",
            ws="none",
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
        )
        self.server = uvicorn.Server(config)
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=4_096)
        self.address = self.listening.getsockname()
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listening]}, daemon=True)

    def connect(self) -> socket.socket:
        """A client that waits ten seconds at most."""
        return socket.create_connection(self.address, timeout=60)

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self.protocol.door.connections)

    def stop(self) -> None:
        """Graceful shutdown, to its end."""
        self.server.should_exit = True
        self.thread.join(10)
        assert not self.thread.is_alive(), "the server does not stop"


@contextlib.contextmanager
def serving(limits: ServerLimits | None = None) -> Iterator[Served]:
    """A server for the block; stopped at its end if the block did not."""
    served = Served(limits or ServerLimits())
    served.thread.start()
    wait_until(lambda: served.server.started, "the server to start")
    try:
        yield served
    finally:
        served.stop()


def read_all(client: socket.socket) -> bytes:
    """Everything up to the end of the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(65_536):
            received += data
    return received


@pytest.fixture
def many_files() -> Iterator[None]:
    """Enough descriptors for both ends of 2,000 connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 5_000:
        pytest.skip("needs 5,000 file descriptors: raise the hard limit (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 5_000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_answers_over_keep_alive_by_every_way() -> None:
    """Hot, recorded and ordinary requests on one connection, the last one with `connection: close`."""
    with serving() as served, served.connect() as client:
        client.sendall(request(b"/fast") + request(b"/kept") + request(b"/other") + request(b"/empty"))
        client.sendall(request(b"/fast", headers=b"Connection: close\r\n"))

        answers = read_all(client)

    statuses = re.findall(rb"HTTP/1.1 (\d+) ", answers)
    assert statuses == [b"200", b"202", b"200", b"204", b"200"]
    assert answers.count(b"\r\ndate: ") == 5
    assert b"x-peer: 127.0.0.1\r\n" in answers


def test_a_head_of_50_mb_is_refused_while_it_is_sent() -> None:
    """The client learns why: 431 arrives, not just a reset."""
    block = b"a" * 65_536
    with serving() as served, served.connect() as client:
        client.sendall(b"GET /fast HTTP/1.1\r\nX: ")
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            client.sendall(block * 2)
            answer = client.recv(4_096)
            for _block in range(800):
                client.sendall(block)

        wait_until(lambda: served.connections == 0, "the connection to be cut off")

    assert answer.startswith(b"HTTP/1.1 431 ")


def test_2000_idle_connections_neither_hinder_nor_stay(many_files: None) -> None:
    """Others are answered meanwhile; the sweep closes the idle ones."""
    with serving(ServerLimits(keep_alive_seconds=2)) as served, contextlib.ExitStack() as open_clients:
        idle = [open_clients.enter_context(served.connect()) for _number in range(2_000)]
        wait_until(lambda: served.connections == 2_000, "2,000 connections")
        with served.connect() as client:
            client.sendall(request(b"/fast", headers=b"Connection: close\r\n"))
            assert read_all(client).startswith(b"HTTP/1.1 200 OK\r\n")

        wait_until(lambda: served.connections == 0, "the sweep to close them")

        assert {read_all(client) for client in idle} == {b""}


def test_shutdown_with_2000_idle_connections_is_prompt(many_files: None) -> None:
    """They are closed at once."""
    with serving() as served, contextlib.ExitStack() as open_clients:
        idle = [open_clients.enter_context(served.connect()) for _number in range(2_000)]
        wait_until(lambda: served.connections == 2_000, "2,000 connections")

        served.stop()

        assert {read_all(client) for client in idle} == {b""}


@pytest.mark.parametrize("sent", [b"GET /fast HTTP/1.1\r\nX: aaaa", b"GET /fast HTTP/1.1\r\nX: " + b"a" * 100_000])
def test_shutdown_in_the_middle_of_a_head(sent: bytes) -> None:
    """Half a head, or one that was refused while more of it comes, holds nothing up."""
    with serving() as served, served.connect() as client:
        client.sendall(sent)
        wait_until(lambda: served.connections == 1, "the connection")

        served.stop()


def test_shutdown_answers_a_recorded_hit_first() -> None:
    """What is on its way to the disk is answered, and only then the connection ends."""
    with serving() as served, served.connect() as client:
        served.journal.held = True
        client.sendall(request(b"/kept"))
        wait_until(lambda: served.journal.waiting, "the hit to be handed to the journal")

        served.server.should_exit = True
        wait_until(lambda: served.listening.fileno() == -1, "the shutdown to begin")
        served.journal.let_go()

        answer = read_all(client)

    assert answer.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert b"\r\nconnection: close\r\n" in answer


def test_shutdown_does_not_wait_for_a_client_that_does_not_read() -> None:
    """A client with megabytes of answers to read gets some seconds, then the server is gone."""
    limits = ServerLimits(close_seconds=1)
    with serving(limits) as served, served.connect() as client:
        client.setblocking(False)
        block = request(b"/fast") * 1_000
        # Full buffers on both sides, and a server that has stopped reading.
        with contextlib.suppress(BlockingIOError):
            while True:
                client.send(block)
        wait_until(lambda: served.connections == 1, "the connection")

        served.stop()


def test_pipelined_mixture_survives_a_slow_reader() -> None:
    """Thousands of requests of all kinds in one stream, read in sips: all answered, in order."""
    targets = [b"/fast?%d" % n if n % 3 else b"/kept?%d" % n for n in range(6_000)]
    with serving() as served, served.connect() as client:
        packet = b"".join(map(request, targets)) + request(b"/other", headers=b"Connection: close\r\n")
        sender = threading.Thread(target=client.sendall, args=(packet,))
        sender.start()
        received = b""
        while data := client.recv(8_192):
            received += data
        sender.join(10)

    seen = [line[10:] for line in received.split(b"\r\n") if line.startswith(b"x-target: ")]
    assert seen == targets
    assert received.endswith(b"GET /other ")
