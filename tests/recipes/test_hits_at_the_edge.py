"""A hit behind a proxy is counted once, whatever dies on the way."""

import signal
from collections.abc import Callable, Iterator

import pytest

from harness.edge_browser import request
from harness.edge_gateway import EchoWebsite, EdgeGateway
from harness.proxies import STARTERS, Certificate, Proxy
from harness.waiting import wait_until
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.reports.ledger import Ledger, ledger
from latchstring_gateway.shipping.run import Shipper
from latchstring_middleware.forwarded import TrustedProxies

pytestmark = pytest.mark.edge

#: What keeps each recipe from sending a hit again.
SENT_ONCE = {"nginx": ("proxy_next_upstream off;", ""), "caddy": ("keepalive off", "keepalive 1m")}
MORTAL = "harness.dying_worker"

Start = Callable[..., Proxy]


@pytest.fixture
def mortal() -> Iterator[EdgeGateway]:
    """A gateway whose only worker dies between journal and answer of a hit that says so."""
    running = EdgeGateway(workers=0)
    running.start_worker(MORTAL)
    wait_until(running.is_ready, "the worker to be ready")
    yield running
    running.close()


@pytest.fixture(params=sorted(STARTERS))
def started(
    request: pytest.FixtureRequest, certificate: Certificate, website: EchoWebsite, mortal: EdgeGateway
) -> Iterator[Start]:
    """Starts the proxy under test before that gateway; True for a recipe without its line against sending again."""
    made: list[Proxy] = []

    def start(*, sends_again: bool = False) -> Proxy:
        changes = [SENT_ONCE[request.param]] if sends_again else []
        made.append(STARTERS[request.param](certificate, mortal.address, website.address, *changes))
        return made[-1]

    yield start
    for proxy in made:
        proxy.close()


def counted(gateway: EdgeGateway) -> Ledger:
    """The ledger when everything is shipped."""
    gateway.stop_workers()
    with Shipper(gateway.data_dir, SystemClock(), TrustedProxies.parse("127.0.0.1")) as shipper:
        shipper.ship_once()
    return ledger(gateway.data_dir)


def hit(proxy: Proxy, page: str) -> int:
    """Send one hit; the status."""
    return request(proxy, f"/b.gif?p=/{page}".encode()).status


def test_a_worker_killed_between_journal_and_answer_counts_the_hit_once(started: Start, mortal: EdgeGateway) -> None:
    """The proxy does not send the hit again: the client hears of a fault, and the journal has the hit once."""
    proxy = started()
    before = [hit(proxy, f"before/{number}") for number in range(3)]

    fatal = hit(proxy, "last-breath")
    mortal.workers.pop().wait(5)
    mortal.start_worker()
    wait_until(mortal.is_ready, "the next worker to be ready")
    after = [hit(proxy, f"after/{number}") for number in range(2)]

    result = counted(mortal)
    assert (before, after) == ([200] * 3, [200] * 2)
    assert fatal == 502
    assert (result.total.received, result.total.good, result.total.duplicate) == (6, 6, 0)
    assert result.adds_up


def test_a_hit_that_a_proxy_sends_again_is_known_by_its_id(started: Start, mortal: EdgeGateway) -> None:
    """With the line of the recipe taken out the proxy sends it again: twice in the journal, once in the reports."""
    proxy = started(sends_again=True)
    assert hit(proxy, "before") == 200
    survivor = mortal.start_worker()
    wait_until(lambda: mortal.log().count("following") >= 2, "the survivor to follow the store")
    survivor.send_signal(signal.SIGSTOP)
    # The connection that the proxy keeps is to the worker that will die.
    assert hit(proxy, "kept") == 200
    survivor.send_signal(signal.SIGCONT)

    assert hit(proxy, "last-breath") == 200

    assert mortal.workers[0].wait(5) == -signal.SIGKILL
    result = counted(mortal)
    assert (result.total.received, result.total.good, result.total.duplicate) == (4, 3, 1)


def test_a_client_cannot_pass_for_a_copy_of_another(started: Start, mortal: EdgeGateway) -> None:
    """An X-Latch-Hit sent by a client is overwritten: two of its requests are two hits."""
    proxy = started()

    for _ in range(2):
        request(proxy, b"/b.gif?p=/x", b"X-Latch-Hit: same", b"X_Latch_Hit: same")

    assert counted(mortal).total.good == 2
