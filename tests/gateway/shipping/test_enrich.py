"""What is told of a sender, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.hits import CHROME, TRUSTED, batch, pixel
from latchstring_gateway.beacons import payload
from latchstring_gateway.shipping.enrich import Sender, Senders, _truncated, spoken_of, truncated, without_address

BOT = b"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def _sender(*headers: tuple[bytes, bytes], peer: str = "127.0.0.1", method: bytes = b"GET") -> Sender:
    return _told(*headers, peer=peer, method=method)[0]


def _told(*headers: tuple[bytes, bytes], peer: str = "127.0.0.1", method: bytes = b"GET") -> tuple[Sender, str | None]:
    return Senders(TRUSTED).of(payload.decode(pixel(b"", headers, peer=peer, method=method)))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("unix:", ""),
        ("", ""),
        ("203.0.113.7x", ""),
    ],
)
def test_address_is_shortened(address: str, network: str) -> None:
    """Never more than the network goes on: /24 of IPv4, /48 of IPv6."""
    assert truncated(address) == network


def test_forwarded_address_and_hit_id_of_a_trusted_proxy_are_believed() -> None:
    """Behind the proxy the client is who the proxy says it is."""
    sender, hit_id = _told((b"x-forwarded-for", b"198.51.100.9, 203.0.113.77"), (b"x-latch-hit", b"h1"))

    assert (sender.address_prefix, hit_id) == ("203.0.113.0/24", "h1")


def test_stranger_is_believed_neither() -> None:
    """Who comes past the proxy cannot say where from, nor suppress another's hit by its id."""
    sender, hit_id = _told((b"x-forwarded-for", b"203.0.113.77"), (b"x-latch-hit", b"h1"), peer="192.0.2.5")

    assert (sender.address_prefix, hit_id) == ("192.0.2.0/24", None)


def test_of_one_who_asks_to_be_nobody_there_is_no_address() -> None:
    """SP-Anonymous: neither his nor the proxy's; the proxy's request id still counts."""
    sender, hit_id = _told((b"sp-anonymous", b"*"), (b"x-forwarded-for", b"203.0.113.77"), (b"x-latch-hit", b"h1"))

    assert (sender.address_prefix, hit_id) == ("", "h1")


@pytest.mark.parametrize("hit_id", [b"", b"x" * 129, b"\xff"])
def test_hit_id_that_no_proxy_of_ours_makes_is_none(hit_id: bytes) -> None:
    """A misconfigured header must not make all hits one."""
    assert _told((b"x-latch-hit", hit_id))[1] is None


def test_machines_are_marked_and_people_are_not() -> None:
    """Bots, prefetches and HEAD requests are told apart, so that reports can show gross and net."""
    assert _sender().machine is None
    assert _sender((b"sec-purpose", b"prefetch;prerender")).machine == "prerender"
    assert _sender((b"sec-purpose", b"prefetch")).machine == "prefetch"
    assert _sender((b"purpose", b"prefetch")).machine == "prefetch"
    assert _sender(method=b"HEAD").machine == "head"
    bot, _ = Senders(TRUSTED).of(payload.decode(pixel(b"").replace(CHROME, BOT.ljust(len(CHROME)))))
    assert (bot.machine, bot.device_kind) == ("bot", "bot")


@pytest.mark.parametrize(("value", "said"), [(b"1", True), (b"0", False), (b" 1", False), (b"yes", False)])
def test_privacy_signals_are_exactly_one(value: bytes, said: bool) -> None:
    """Sec-GPC and DNT mean something only as "1"."""
    sender = _sender((b"sec-gpc", value), (b"dnt", value))

    assert (sender.gpc, sender.dnt) == (said, said)


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        (b"nl-NL,nl;q=0.9", "nl-NL"),
        (b"*", ""),
        (b"", ""),
        (b"\xff", ""),
        (b"x" * 100, ""),
        (b"en;q=1", "en"),
        (b"en-us", "en-US"),
        (b"en_US,en", "en-US"),
        (b"ZH-hans-cn", "zh-Hans-CN"),
        (b"es-419", "es-419"),
    ],
)
def test_language_is_the_first_named(accept: bytes, language: str) -> None:
    """One plain tag, in one spelling, or nothing."""
    assert _sender((b"accept-language", accept)).language == language


def test_of_whom_a_server_speaks_only_the_device_is_known() -> None:
    """Not where he is nor what he reads: that would be the server's; nor does his server make a machine of him."""
    server = _sender((b"user-agent", b"python-requests/2.32"), (b"accept-language", b"de"), (b"sec-gpc", b"1"))

    person = spoken_of(server, CHROME.decode())

    assert (person.device_kind, person.os, person.client) == ("computer", "Linux", "Chrome")
    assert (person.language, person.address_prefix, person.country, person.machine, person.trace) == (
        "", "", None, None, b"",
    )  # fmt: skip
    assert person.gpc
    assert spoken_of(server, BOT.decode()).machine == "bot"


def test_dead_letter_keeps_neither_address_nor_cookie() -> None:
    """What is kept for a later look is kept without what points at a person."""
    raw = payload.decode(
        pixel(b"p=/x", [(b"x-forwarded-for", b"203.0.113.77"), (b"cookie", b"__Host-visitor=v"), (b"dnt", b"1")])
    )

    kept = without_address(raw, "203.0.113.0/24")

    assert kept.peer == "203.0.113.0/24"
    assert [name for name, _ in kept.headers] == [b"user-agent", b"dnt"]
    assert kept.target == raw.target


def test_dead_letter_of_one_event_holds_that_event_alone() -> None:
    """The good events of the same batch are not kept a second time."""
    raw = payload.decode(batch(b'[{"page":"/a"},{"page":1}]'))

    kept = without_address(raw, "203.0.113.0/24", b'{"page":1}')

    assert (kept.body, kept.body_bytes) == (b'{"page":1}', 10)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["127.0.0.1", "192.0.2.5", "unix:", ""]),
            st.sampled_from([b"GET", b"HEAD"]),
            st.lists(
                st.sampled_from(
                    [
                        (b"x-forwarded-for", b"203.0.113.77"),
                        (b"x-forwarded-for", b"198.51.100.9"),
                        (b"x-latch-hit", b"h1"),
                        (b"x-latch-hit", b"h2"),
                        (b"user-agent", BOT),
                        (b"user-agent", CHROME),
                        (b"accept-language", b"nl"),
                        (b"sec-gpc", b"1"),
                        (b"dnt", b"1"),
                        (b"sec-purpose", b"prefetch"),
                        (b"purpose", b"preview"),
                        (b"referer", b"https://www.example.com/"),
                    ]
                ),
                max_size=7,
            ),
        ),
        max_size=20,
    )
)
def test_sender_who_is_remembered_is_the_same_as_one_who_is_told_anew(
    hits: list[tuple[str, bytes, list[tuple[bytes, bytes]]]],
) -> None:
    """Memory saves time and changes nothing, whatever headers come twice or in whatever order."""
    senders = Senders(TRUSTED)
    for peer, method, headers in hits:
        hit = payload.RawHit(payload.FORMAT, payload.PIXEL, 0, peer, method, b"/b.gif", headers, b"", 0)

        assert senders.of(hit) == Senders(TRUSTED).of(hit)


@given(st.one_of(st.ip_addresses().map(str), st.text(alphabet="0123456789.", max_size=16), st.text(max_size=12)))
def test_short_way_for_ipv4_gives_what_the_long_way_gives(address: str) -> None:
    """However an address is spelled, and whatever is none."""
    assert truncated(address) == _truncated(address)
