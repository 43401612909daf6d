"""Who fetched what stands in a mail: a person's own program, a proxy that hides the person, a scanner, or who knows.

The same sender may mean two things: Microsoft's network fetches a pixel for a person who reads (Outlook.com's proxy)
and follows a link to see whether it is safe. So there are rules for both, for links alone and for pixels alone. All of
them mark; nothing is dropped. docs/mail.md tells them with their reasons.
"""

from typing import Final, Literal, NamedTuple, TypeAlias

from ..beacons.payload import OPEN, RawHit
from .enrich import Sender
from .event import header

By: TypeAlias = Literal["direct", "privacy_proxy", "scanner", "unknown"]

#: Nobody has read a mail so soon after it was sent; a server that takes it in has.
TOO_FAST_MS: Final = 1_500

#: Apple's own networks, and those its relay leaves by: Akamai, Cloudflare, Fastly.
_APPLE: Final = frozenset({714, 6185, 36183, 13335, 54113})
_MICROSOFT: Final = 8075
#: All that Mail Privacy Protection says of itself.
_BARE_AGENT: Final = b"Mozilla/5.0"
#: The words by which a proxy says that it is one.
_PROXIES: Final = ((b"GoogleImageProxy", "gmail_image_proxy"), (b"YahooMailProxy", "yahoo_mail_proxy"))
#: A browser that never was: Gmail looks at pictures with it before anybody has opened the mail.
_GMAIL_PREFETCH: Final = (b"Chrome/42.0.2311.135", b"Edge/12.246")
_SCANNERS: Final = (
    b"barracuda", b"mimecast", b"proofpoint", b"urldefense", b"safelinks", b"messagelabs", b"symantec", b"trendmicro",
    b"sophos", b"forcepoint", b"fireeye", b"zscaler", b"ironport", b"cloudmark", b"google-safety",
)  # fmt: skip
_PROGRAMS: Final = (
    b"curl/", b"wget/", b"python", b"go-http-client", b"java/", b"libwww-perl", b"axios", b"node-fetch",
    b"headlesschrome", b"phantomjs",
)  # fmt: skip


class Fetched(NamedTuple):
    """By whom, and the rule that says so; no rule for what is direct."""

    by: By
    rule: str | None = None


_DIRECT: Final = Fetched("direct")


def who_fetched(hit: RawHit, sender: Sender, sent_at_ms: int) -> Fetched:
    """The first rule that applies."""
    agent = header(hit, b"user-agent")
    return (
        _of_the_request(hit, sender, agent)
        or (_of_a_pixel(sender, agent) if hit.source == OPEN else None)
        or _of_the_agent(sender, agent)
        or (_of_the_network(hit.source, sender))
        or (Fetched("scanner", "too_fast") if 0 <= hit.received_at_ms - sent_at_ms < TOO_FAST_MS else None)
        or (_of_a_link(hit) if hit.source != OPEN else None)
        or _DIRECT
    )


def _of_the_request(hit: RawHit, sender: Sender, agent: bytes) -> Fetched | None:
    if hit.method == b"HEAD":
        return Fetched("scanner", "head")
    if sender.machine in ("prefetch", "prerender"):
        # The person's own program, which perhaps shows it later.
        return Fetched("unknown", sender.machine)
    return None if agent else Fetched("unknown", "no_agent")


def _of_a_pixel(sender: Sender, agent: bytes) -> Fetched | None:
    for word, rule in _PROXIES:
        if word in agent:
            return Fetched("privacy_proxy", rule)
    if agent == _BARE_AGENT and (sender.asn is None or sender.asn in _APPLE):
        return Fetched("privacy_proxy", "apple_mail_privacy")
    return None


def _of_the_agent(sender: Sender, agent: bytes) -> Fetched | None:
    if all(word in agent for word in _GMAIL_PREFETCH):
        return Fetched("scanner", "gmail_prefetch")
    said = agent.lower()
    if any(word in said for word in _SCANNERS):
        return Fetched("scanner", "scanner_agent")
    if any(word in said for word in _PROGRAMS):
        return Fetched("scanner", "program_agent")
    if sender.device_kind == "bot":
        return Fetched("scanner", "bot")
    return Fetched("unknown", "bare_agent") if agent == _BARE_AGENT else None


def _of_the_network(source: str, sender: Sender) -> Fetched | None:
    if sender.asn != _MICROSOFT:
        return None
    return Fetched("privacy_proxy", "outlook_proxy") if source == OPEN else Fetched("scanner", "microsoft_network")


def _of_a_link(hit: RawHit) -> Fetched | None:
    # A browser that follows a link says which languages it likes, and since some years that it wants a page.
    if not header(hit, b"accept-language"):
        return Fetched("unknown", "no_language")
    if header(hit, b"sec-fetch-dest") not in (b"", b"document"):
        return Fetched("unknown", "not_a_page")
    return None
