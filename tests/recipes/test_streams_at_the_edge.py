"""WebSockets and event streams through the recipes: opened by a sign-in, unbuffered, and ended by a removal."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from harness.edge_browser import Browser, cookie_line
from harness.edge_gateway import TESTS_DIR, EdgeGateway, address_of, listen, start, stop
from harness.proxies import STARTERS, Certificate, Proxy
from harness.waiting import wait_until
from harness.websocket_client import Refused, WebSocket

pytestmark = pytest.mark.edge

Browsers = Callable[..., Browser]
#: Until the removal is known everywhere, the stream has told it, and the example has ended what it names.
_ENDED_WITHIN_SECONDS = 60.0


@pytest.fixture(scope="module")
def gateway() -> Iterator[EdgeGateway]:
    """One of its own: everybody is signed out here, and then no older password opens anything in other tests."""
    running = EdgeGateway(lease_seconds="2", last_known_good_seconds="1", fsync="never")
    yield running
    running.close()


@pytest.fixture(scope="module")
def streaming(gateway: EdgeGateway) -> Iterator[str]:
    """Where the website with streams is; it listens to the gateway's revocations."""
    directory = Path(tempfile.mkdtemp(prefix="latch-"))
    listening = listen()
    address, descriptor = address_of(listening), listening.fileno()
    credential = gateway.client.headers["authorization"].removeprefix("Bearer ")
    env = {
        "PYTHONPATH": str(TESTS_DIR),
        "STREAM_URL": f"http://{gateway.address}/v1/revocations/stream",
        "STREAM_KEY": credential,
    }
    argv = [sys.executable, "-m", "harness.streaming_website", "--fd", str(descriptor)]
    process = start(argv, directory / "log", fds=(descriptor,), env={**os.environ, **env})
    listening.close()
    yield address
    stop(process)
    assert "Traceback" not in (directory / "log").read_text()
    shutil.rmtree(directory)


@pytest.fixture(scope="module", params=sorted(STARTERS))
def live(
    request: pytest.FixtureRequest, certificate: Certificate, gateway: EdgeGateway, streaming: str
) -> Iterator[Proxy]:
    """The recipe under test, before that website."""
    proxy = STARTERS[request.param](certificate, gateway.address, streaming)
    yield proxy
    proxy.close()


def cookie_of(browser: Browser) -> str:
    """Its Cookie header."""
    return cookie_line(browser).decode().removeprefix("Cookie: ")


class Member:
    """A browser with an open WebSocket; signs in again if another test has just signed the account out."""

    def __init__(self, live: Proxy, gateway: EdgeGateway, account: str) -> None:
        self._live, self._gateway, self._account = live, gateway, account
        wait_until(self._opens, "a WebSocket to open")

    def _opens(self) -> bool:
        started = self._gateway.sign_in(self._account)
        self.device = started["device"]["id"]
        self.browser = Browser(self._live, started["set_cookie"])
        self.cookie = cookie_of(self.browser)
        try:
            self.socket = WebSocket(self._live, "/live/socket", cookie=self.cookie)
        except Refused:
            # The website's own: it does not hear the stream yet, or has just heard of a removal in this very second.
            self.browser.close()
            return False
        return True

    def close(self) -> None:
        """Close the browser."""
        self.socket.close()
        self.browser.close()


def test_a_websocket_opens_for_who_is_signed_in_and_for_nobody_else(live: Proxy, gateway: EdgeGateway) -> None:
    """Messages go both ways, with the identity of the handshake; a stranger's is answered 401."""
    alice = Member(live, gateway, "alice")

    assert alice.socket.ask("hello") == "alice: hello"
    assert alice.socket.ask("x" * 70_000) == "alice: " + "x" * 70_000
    for cookie in ("", "__Host-session=junk", alice.cookie.replace("v1.", "v2.", 1)):
        with pytest.raises(Refused) as refused:
            WebSocket(live, "/live/socket", cookie=cookie)
        assert refused.value.status == 401
    alice.close()


def test_removing_the_device_ends_its_websocket_and_leaves_the_others(live: Proxy, gateway: EdgeGateway) -> None:
    """Closed with the example's code, at once; it does not open again; another device's goes on."""
    alice, other = Member(live, gateway, "alice"), Member(live, gateway, "alice")
    assert (alice.socket.ask("1"), other.socket.ask("1")) == ("alice: 1", "alice: 1")

    began = time.monotonic()
    gateway.remove_device("alice", alice.device)

    assert alice.socket.wait_closed() == 4001
    assert time.monotonic() - began < _ENDED_WITHIN_SECONDS
    assert other.socket.ask("2") == "alice: 2"
    with pytest.raises(Refused):
        WebSocket(live, "/live/socket", cookie=alice.cookie)
    alice.close()
    other.close()


@pytest.mark.parametrize("url", ["/v1/accounts/bob/revoke", "/v1/accounts/bob/disable", "/v1/revoke-everybody"])
def test_signing_an_account_or_everybody_out_ends_its_websockets(live: Proxy, gateway: EdgeGateway, url: str) -> None:
    """By the account's name, or by the partition it lies in; who signs in afterwards has one again."""
    bob = Member(live, gateway, "bob")
    assert bob.socket.ask("1") == "bob: 1"

    assert gateway.client.post(url).json()["status"] == "complete"

    assert bob.socket.wait_closed() == 4001
    bob.close()
    gateway.client.post("/v1/accounts/bob/enable").raise_for_status()
    Member(live, gateway, "bob").close()


def test_an_event_stream_is_not_held_back_and_ends_with_its_session(live: Proxy, gateway: EdgeGateway) -> None:
    """The first event arrives although nothing follows it; a removal ends the stream in order, with no cookie on it."""
    carol = Member(live, gateway, "carol")
    headers = {"accept": "text/event-stream", "cookie": carol.cookie, "sec-fetch-dest": "empty"}
    with (
        httpx.Client(base_url=live.url, verify=live.tls, timeout=5, trust_env=False) as client,
        client.stream("GET", "/live/events", headers=headers) as answer,
    ):
        chunks = answer.iter_text()
        assert next(chunks) == "data: carol\n\n"
        gateway.remove_device("carol", carol.device)
        assert list(chunks) == []
    assert (answer.status_code, answer.headers.get_list("set-cookie")) == (200, [])
    assert carol.browser.ask("/live/events", dest="empty").status == 401
    carol.close()


def test_a_worker_that_stops_takes_no_websocket_with_it_and_loses_no_removal(live: Proxy, gateway: EdgeGateway) -> None:
    """The website's stream ends with its worker and is resumed at another: the removal in between is heard."""
    dora = Member(live, gateway, "dora")
    assert dora.socket.ask("1") == "dora: 1"
    former = list(gateway.workers)
    for worker in former:
        began = time.monotonic()
        gateway.start_worker()
        stop(worker)
        gateway.workers.remove(worker)
        assert time.monotonic() - began < 60, "it does not wait for its streams"
    wait_until(gateway.is_ready, "the gateway to be ready")

    assert dora.socket.ask("2") == "dora: 2"
    gateway.remove_device("dora", dora.device)

    assert dora.socket.wait_closed() == 4001
    dora.close()
