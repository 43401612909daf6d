"""Targets of links as a browser reads them: whatever may be linked leads to an allowed origin there, too."""

import secrets
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from harness.mails import ORIGIN, SHOP, links_of
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.errors import BadRequest
from latchstring_gateway.snowplow.redirect import Redirects
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing

pytestmark = pytest.mark.browser

#: What parsers of addresses have disagreed about.
_PIECES = (
    "https:", "HTTPS:", "http:", "//", "/", "\\", "\\\\", "///", "www.example.com", "WWW.EXAMPLE.COM",
    "shop.example.org", "evil.example", "@", ":", ":443", ":80", ":8443", "?", "#", ";", "%2f", "%40", "%5c", "%00",
    "\t", "\n", "\r", " ", "\u3002", "\uff0f", "\u2044", "\xad", "[::1]", "127.1", "0x7f.1", ".", "..", "/.", "user",
    "&", "=", "|", "'", '"',
)  # fmt: skip
_TRIES = 200_000


def test_what_may_be_linked_leads_nowhere_else_in_a_browser(browser: Browser) -> None:
    """Random addresses of hostile pieces: those that are taken have an allowed origin by the browser's own parser."""
    clock = ManualClock()
    key = RingKey("tEst01", KeyState.ACTIVE, 0, 0, bytes(range(32)))
    ring = KeyRing.from_json(dump([key]), clock)
    links, redirects = links_of(Codec(ring), clock), Redirects(ring, {ORIGIN, SHOP})
    taken = set()
    for _ in range(_TRIES):
        start = secrets.choice(("", "https://", ORIGIN))
        said = start + "".join(secrets.choice(_PIECES) for _ in range(1 + secrets.randbelow(5)))
        redirected = redirects.target_of(b"u=" + quote(said, safe="").encode())
        if redirected is not None:
            taken.add(redirected.decode())
        try:
            taken.add(links.checked_target(said))
        except BadRequest:
            continue

    page = browser.new_page()
    # As a Location is read, against the address of the link itself.
    script = "([base, all]) => all.map(one => { try { return new URL(one, base).origin } catch { return 'none' } })"
    origins = page.evaluate(script, [f"{ORIGIN}/go/x", sorted(taken)])
    page.close()

    assert len(taken) > 1_000
    assert set(origins) <= {ORIGIN, SHOP}
