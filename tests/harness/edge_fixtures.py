"""Fixtures of edge tests: one gateway, one website, and each proxy of deploy/ before them."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.edge_browser import Browser
from harness.edge_gateway import EchoWebsite, EdgeGateway
from harness.people import place_file
from harness.proxies import STARTERS, Certificate, Proxy, start_cache


@pytest.fixture(scope="session")
def certificate() -> Iterator[Certificate]:
    """The certificate of all proxies."""
    directory = Path(tempfile.mkdtemp(prefix="latch-"))
    yield Certificate(directory)
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def website() -> Iterator[EchoWebsite]:
    """The website that says what it received."""
    running = EchoWebsite()
    yield running
    running.close()


@pytest.fixture(scope="session")
def gateway(website: EchoWebsite, certificate: Certificate) -> Iterator[EdgeGateway]:
    """Two workers whose leases live 2 s and whose credentials rotate every 4 s, so that tests need not wait long.

    To them this machine is in the Netherlands.
    """
    here = {"127.0.0.0/8": {"country": {"iso_code": "NL"}}}
    running = EdgeGateway(
        lease_seconds="2",
        last_known_good_seconds="1",
        rotate_every_seconds="4",
        grace_seconds="1",
        fsync="never",
        bridge_url=f"http://{website.address}/.control/who",
        bridge_cookie="oldsession",
        cors_origins="https://app.example.com",
        tell_country="true",
        country_file=str(place_file(certificate.path.with_name("here.mmdb"), here)),
    )
    yield running
    running.close()


@pytest.fixture(scope="session")
def proxies(certificate: Certificate, gateway: EdgeGateway, website: EchoWebsite) -> Iterator[Callable[[str], Proxy]]:
    """Each proxy before the gateway and the website, started when it is first wanted."""
    running: dict[str, Proxy] = {}

    def find(name: str) -> Proxy:
        if name not in running:
            running[name] = STARTERS[name](certificate, gateway.address, website.address)
        return running[name]

    yield find
    for proxy in running.values():
        proxy.close()


@pytest.fixture(params=sorted(STARTERS))
def edge(request: pytest.FixtureRequest, proxies: Callable[[str], Proxy]) -> Proxy:
    """The recipe under test."""
    return proxies(request.param)


@pytest.fixture
def cache(certificate: Certificate, edge: Proxy) -> Iterator[Proxy]:
    """A careless cache before the edge."""
    running = start_cache(certificate, edge)
    yield running
    running.close()


@pytest.fixture
def browser(edge: Proxy) -> Iterator[Callable[..., Browser]]:
    """Makes browsers; `set_cookie` are the lines a website relayed to it."""
    made: list[Browser] = []

    def make(set_cookie: list[str] | None = None) -> Browser:
        made.append(Browser(edge, set_cookie))
        return made[-1]

    yield make
    for one in made:
        one.close()
