"""Links and pixels of mails as their gateway makes them, and the hits they leave."""

import msgspec

from harness.hits import CHROME, NOW_MS, Headers
from latchstring_gateway.beacons.payload import FORMAT, LINK, MailHit, encode
from latchstring_gateway.clock import Clock
from latchstring_gateway.mail.links import Links, Mailing
from latchstring_gateway.tokens.codec import Codec

ORIGIN = "https://www.example.com"
SHOP = "https://shop.example.org"
TARGET = f"{ORIGIN}/sale?token=secret#top"
WEEK_MS = 7 * 86_400_000
MAILING = Mailing("autumn", "news-41", b"r" * 16, NOW_MS - 3_600_000, NOW_MS + WEEK_MS)

BROWSER: Headers = ((b"user-agent", CHROME), (b"accept-language", b"en"), (b"sec-fetch-dest", b"document"))


def links_of(codec: Codec, clock: Clock, *, allowed: tuple[str, ...] = (ORIGIN, SHOP)) -> Links:
    """The links of a website that has a shop elsewhere."""
    return Links(codec, clock, origin=ORIGIN, allowed=allowed)


def token_of(address: str) -> bytes:
    """The token in an address."""
    return address.removeprefix(f"{ORIGIN}/go/").removesuffix(".gif").encode()


def mail_hit(
    link: str = "https://www.example.com/sale",
    headers: Headers = BROWSER,
    *,
    at_ms: int = NOW_MS,
    sent_at_ms: int = NOW_MS - 3_600_000,
    recipient: str = "ada",
    message: str = "news",
    method: bytes = b"GET",
    source: str = LINK,
) -> bytes:
    """The payload of a link that was followed, or of a pixel."""
    body = msgspec.json.encode(MailHit("autumn", message, recipient, sent_at_ms, link))
    return encode((FORMAT, source, at_ms, "127.0.0.1", method, b"/go/", list(headers), body, len(body)))
