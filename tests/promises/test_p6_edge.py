"""P6: generated spellings of identity headers and of redirect targets, against the recipes of real nginx and Caddy."""

import re
from collections.abc import Iterator
from random import Random

import pytest

from harness.edge_browser import Answer, raw
from harness.edge_gateway import EchoWebsite, EdgeGateway
from harness.evidence import Evidence, breaks, pick
from harness.proxies import STARTERS, Certificate, Proxy
from harness.waiting import wait_until

pytestmark = [pytest.mark.edge, pytest.mark.timeout(pick(short=180, long=900))]

_SPOOFED_REQUESTS = pick(short=60, long=3_000)
_SPELLINGS_A_REQUEST = 16
_TARGETS = pick(short=60, long=3_000)

_NAMES = ("Account", "Session", "Device", "Auth-Time", "Level", "Passport")
#: Names that gateways of several languages read as one: CGI, WSGI and PHP fold these.
_FOLDED = re.compile(r"[-_. ]")
_OURS = {f"x-latch-{name.lower()}" for name in _NAMES}

#: What the mistake `identity-passes` takes out of each recipe.
_WITHOUT_CLEANING = {
    "nginx": (("proxy_set_header X-Latch-Account $latch_account;", ""),),
    "caddy": (
        ("\trequest_header -X-Latch*\n", ""),
        ("\t\t\trequest_header X-Latch-Account {rp.header.X-Latch-Account}\n", ""),
    ),
}


@pytest.fixture(scope="module")
def gateway(website: EchoWebsite) -> Iterator[EdgeGateway]:
    """Two workers, with a mistake if the run asks for it."""
    running = EdgeGateway(workers=0)
    for _ in range(2):
        running.start_worker("harness.breakable_worker")
    wait_until(running.is_ready, "the gateway to be ready")
    yield running
    running.close()


@pytest.fixture(params=sorted(STARTERS))
def attacked(
    request: pytest.FixtureRequest, certificate: Certificate, gateway: EdgeGateway, website: EchoWebsite
) -> Iterator[Proxy]:
    """A recipe, with a mistake if the run asks for it."""
    changes = _WITHOUT_CLEANING[request.param] if breaks("identity-passes") else ()
    running = STARTERS[request.param](certificate, gateway.address, website.address, *changes)
    yield running
    running.close()


def _spelling(chance: Random) -> bytes:
    """A name that somebody may read as an identity header."""
    words = ["x", "latch", *chance.choice(_NAMES).lower().split("-")]
    letters = "".join(chance.choice("--__..") + word for word in words)[1:]
    if chance.random() < 0.3:
        letters = letters.replace("_", "-").replace(".", "-")
    return "".join(letter.upper() if chance.random() < 0.5 else letter for letter in letters).encode()


def _odd(chance: Random, spelling: bytes) -> bytes:
    """The same in a way that a proxy should refuse whole; sent alone, lest it shields others."""
    at = chance.randrange(1, len(spelling))
    junk = chance.choice((b" ", b"\t", b"\0", b"\x0b", b"%2d", b"\xe2\x80\x90", b"\xc2\xad", b"\x7f"))
    return chance.choice((spelling + b" ", b" " + spelling, b"\t" + spelling, spelling[:at] + junk + spelling[at:]))


def _get(proxy: Proxy, target: bytes, headers: list[bytes]) -> Answer:
    lines = [b"GET %s HTTP/1.1" % target, b"Host: localhost:%d" % proxy.port, b"Connection: close"]
    return raw(proxy, b"\r\n".join([*lines, *headers]))


def test_no_spelling_of_an_identity_header_reaches_the_website(attacked: Proxy, evidence: Evidence) -> None:
    """Any case and any separators, many at once and doubled, odd ones alone: the website hears only the gateway."""
    chance = Random(attacked.name)
    trials = violations = heard = done = 0
    for done in evidence.trials(_SPOOFED_REQUESTS, seconds=30):
        names = [_spelling(chance) for _ in range(_SPELLINGS_A_REQUEST)]
        if done % 4 == 0:
            names = [_odd(chance, names[0])]
        forged = [name + b": evil-admin" for name in names]
        answer = _get(attacked, b"/public/film", forged)
        trials += len(names)
        if answer.status != 200:
            # Refused whole; that must come from the proxy, not from a website that stumbled over it.
            violations += answer.status not in (400, 401, 431)
            continue
        heard += 1
        for name, value in answer.json()["headers"]:
            violations += _FOLDED.sub("-", name.lower()) in _OURS and bool(value)

    assert heard > done // 2
    evidence.row(
        promise="P6",
        tried="spellings of identity headers sent to nginx and Caddy, heard by the website",
        trials=trials,
        violations=violations,
    )


_PIECES = (
    *(b"/", b"/", b"//", b"\\", b"/\\", b"%2f", b"%5c", b"%2F%2F", b"%09", b"%0d%0a", b"%00", b"%e3%80%82"),
    *(b"evil.example", b"evil.example:443", b"@", b":", b"http:", b"https://", b"javascript:", b"localhost"),
    *(b"..", b".", b";", b"?", b"?next=", b"#", b"a", b"\t", b"\x01", b"\xe2\x81\x84", b"\xef\xbc\x8f", b"[::1]"),
)
_SPOOFS = (
    *(b"X-Forwarded-Host: evil.example", b"X-Forwarded-Proto: javascript", b"X-Forwarded-Uri: //evil.example/"),
    *(b"X.Forwarded.Uri: //evil.example", b"X_Forwarded_Host: evil.example", b"Forwarded: host=evil.example"),
    *(b"X-Original-URL: https://evil.example/", b"X-Rewrite-URL: //evil.example/", b"X-Forwarded-Prefix: //evil"),
    *(b"X-Forwarded-Port: 1", b"Referer: https://evil.example/"),
)


def _leaves(location: str) -> bool:
    """Whether a browser on our host would go elsewhere: as browsers read it (WHATWG URL), not as we do."""
    read = re.sub(r"[\t\n\r]", "", location).strip("".join(map(chr, range(0x21)))).replace("\\", "/")
    return not read.startswith("/") or read.startswith("//")


def test_no_redirect_leaves_the_host(attacked: Proxy, gateway: EdgeGateway, evidence: Evidence) -> None:
    """Pages of generated targets and spoofed headers: to the sign-in page, and from there back to the host."""
    chance = Random(attacked.name)
    trials = violations = redirected = 0
    for _ in evidence.trials(_TARGETS, seconds=30):
        target = b"/" + b"".join(chance.choices(_PIECES, k=chance.randint(1, 5)))
        answer = _get(attacked, target, [b"Accept: text/html", *chance.sample(_SPOOFS, 2)])
        trials += 1
        location = answer.one("location")
        if not 300 <= answer.status < 400:
            violations += bool(location) or answer.status >= 500
            continue
        redirected += 1
        violations += not location.startswith("/sign-in?return=v1.") or _leaves(_continued(gateway, location))

    assert redirected > trials // 10
    evidence.row(
        promise="P6",
        tried="generated targets and spoofed hosts sent to nginx and Caddy, followed through sign-in",
        trials=trials,
        violations=violations,
    )


def _continued(gateway: EdgeGateway, location: str) -> str:
    """Where signing in leads in the end."""
    sealed = location.partition("return=")[2].partition("&")[0]
    started = gateway.sign_in("erin", return_to=sealed)
    cookie = "; ".join(line.partition(";")[0] for line in started["set_cookie"])
    return gateway.client.get(started["continue_to"], headers={"cookie": cookie}).headers["location"]
