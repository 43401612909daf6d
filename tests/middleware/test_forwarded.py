"""Who is believed about the client and the original request, with the forged headers of real advisories as tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_middleware.forwarded import (
    MAX_SEEN,
    MAX_TARGET_BYTES,
    ForwardedError,
    OriginalRequest,
    TrustedProxies,
    _hop_address,
)

PROXY = "10.0.0.1"
STRANGER = "192.0.2.10"
PROXIES = TrustedProxies.parse("127.0.0.1, ::1, 10.0.0.0/8, unix:")

Headers = list[tuple[bytes, bytes]]

ASKED: Headers = [
    (b"x-forwarded-method", b"GET"),
    (b"x-forwarded-uri", b"/account?tab=1"),
    (b"x-forwarded-host", b"shop.example"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-for", b"203.0.113.9"),
]


def asked(**changed: bytes) -> Headers:
    """A sound sub-request of a proxy, with some of the X-Forwarded-* values replaced."""
    values = dict(ASKED) | {b"x-forwarded-" + name.encode(): value for name, value in changed.items()}
    return list(values.items())


@pytest.mark.parametrize(
    ("trusted", "peer", "expected"),
    [
        # Nobody.
        ("", "127.0.0.1", False),
        ("", "unix:", False),
        # Addresses.
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "127.0.0.1 ", False),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("127.0.0.1", "::ffff:7f00:1", True),
        ("127.0.0.1", "::1", False),
        ("::1", "::1", True),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("::1", "127.0.0.1", False),
        ("::ffff:10.1.2.3", "10.1.2.3", True),
        # Networks.
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "::ffff:10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("fd00::/8", "fd12::7", True),
        ("fd00::/8", "fe80::7", False),
        ("::ffff:10.0.0.0/104", "10.9.9.9", True),
        ("::ffff:10.0.0.0/104", "11.9.9.9", False),
        # Unix sockets.
        ("unix:", "unix:", True),
        ("127.0.0.1", "unix:", False),
        ("unix:", "127.0.0.1", False),
        # What is no peer at all.
        ("127.0.0.1", "", False),
        ("127.0.0.1", "localhost", False),
        ("127.0.0.1", "a\x00b", False),
        ("127.0.0.1", "127.1", False),
        ("127.0.0.1", "0x7f.0.0.1", False),
        ("127.0.0.1", "127.0.0.01", False),
        ("127.0.0.1", "2130706433", False),
        # Spaces and empty items in the setting do no harm.
        (" 127.0.0.1 ,, ::1,", "::1", True),
    ],
)
def test_only_named_peers_are_trusted(trusted: str, peer: str, expected: bool) -> None:
    """A peer is trusted if the operator named its address or network, in whatever spelling."""
    proxies = TrustedProxies.parse(trusted)

    assert proxies.trusts(peer) is expected
    assert proxies.trusts(peer) is expected  # the remembered verdict


def test_every_bad_item_of_the_setting_is_named() -> None:
    """All mistakes at once, so that the operator mends the setting in one go."""
    bad = ["*", "localhost", "10.0.0.1/8", "0.0.0.0/0", "::/0", "::ffff:0:0/96", "fe80::1%eth0", "unix:/run/x"]

    with pytest.raises(ValueError) as caught:
        TrustedProxies.parse("127.0.0.1," + ",".join(bad))

    assert [item for item in bad if repr(item) not in str(caught.value)] == []
    assert "'127.0.0.1'" not in str(caught.value)


@pytest.mark.parametrize(
    ("peer", "said", "expected"),
    [
        # The word of a stranger is worth nothing.
        (STRANGER, [b"203.0.113.9"], STRANGER),
        (STRANGER, [b"127.0.0.1"], STRANGER),
        ("::ffff:192.0.2.10", [b"127.0.0.1"], STRANGER),
        # A proxy that says nothing speaks for itself.
        (PROXY, [], PROXY),
        (PROXY, [b""], PROXY),
        ("unix:", [], "unix:"),
        ("::ffff:127.0.0.1", [], "127.0.0.1"),
        # The nearest address that is not one of ours is the client.
        (PROXY, [b"203.0.113.9"], "203.0.113.9"),
        ("unix:", [b"203.0.113.9"], "203.0.113.9"),
        ("::ffff:127.0.0.1", [b"203.0.113.9"], "203.0.113.9"),
        (PROXY, [b"203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        (PROXY, [b"203.0.113.9, ::1, 10.0.0.2"], "203.0.113.9"),
        (PROXY, [b"203.0.113.9, unix:, 10.0.0.2"], "203.0.113.9"),
        # What the client itself wrote stands to the left of it.
        (PROXY, [b"127.0.0.1, 203.0.113.9"], "203.0.113.9"),
        (PROXY, [b"1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        (PROXY, [b"1.2.3.4, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        # One header or several: the same list.
        (PROXY, [b"1.2.3.4, 10.0.0.1"], "1.2.3.4"),
        (PROXY, [b"1.2.3.4", b"10.0.0.1"], "1.2.3.4"),
        (PROXY, [b"127.0.0.1", b"203.0.113.9"], "203.0.113.9"),
        (PROXY, [b"203.0.113.9", b""], PROXY),
        # Only trusted hops: the furthest of them.
        (PROXY, [b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (PROXY, [b"127.0.0.1"], "127.0.0.1"),
        # Spellings.
        (PROXY, [b"127.0.0.1 "], "127.0.0.1"),
        (PROXY, [b" \t203.0.113.9\t "], "203.0.113.9"),
        (PROXY, [b"::ffff:127.0.0.1"], "127.0.0.1"),
        (PROXY, [b"203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9"),
        (PROXY, [b"::ffff:203.0.113.9"], "203.0.113.9"),
        (PROXY, [b"2001:DB8:0:0::7"], "2001:db8::7"),
        (PROXY, [b"[2001:db8::7]"], "2001:db8::7"),
        (PROXY, [b"[2001:db8::7]:443"], "2001:db8::7"),
        (PROXY, [b"203.0.113.9, [::1]:1"], "203.0.113.9"),
        (PROXY, [b"203.0.113.9:51234"], "203.0.113.9"),
        # Junk stops the walk at the one who said it.
        (PROXY, [b"a"], PROXY),
        (PROXY, [b"a\x00b"], PROXY),
        (PROXY, [b"unknown"], PROXY),
        (PROXY, [b"_hidden"], PROXY),
        (PROXY, [b"203.0.113.9, junk, 10.0.0.2"], "10.0.0.2"),
        (PROXY, [b"203.0.113.9,"], PROXY),
        (PROXY, [b"203.0.113.9:99999"], PROXY),
        (PROXY, [b"203.0.113.9:"], PROXY),
        (PROXY, [b"203.0.113.009"], PROXY),
        (PROXY, [b"203.0.113"], PROXY),
        (PROXY, [b"[203.0.113.9]"], PROXY),
        (PROXY, [b"[2001:db8::7"], PROXY),
        (PROXY, [b"fe80::1%eth0"], PROXY),
        (PROXY, [b'for="203.0.113.9"'], PROXY),
        (PROXY, [b"203.0.113.9\xa0"], PROXY),
        (PROXY, [b"203.0.113.9\n"], PROXY),
        (PROXY, ["٢٠٣.0.113.9".encode()], PROXY),
        (PROXY, [b"198.51.100.7, 203.0.113.9" + b",127.0.0.1" * 32], "127.0.0.1"),
    ],
)
def test_the_client_is_the_nearest_hop_nobody_vouches_for(peer: str, said: list[bytes], expected: str) -> None:
    """The list is read from the right, past trusted proxies, and junk never becomes an address."""
    headers = [(b"x-forwarded-for", value) for value in said]

    assert PROXIES.client_address(peer, headers) == expected


@pytest.mark.parametrize(
    "header",
    [
        (b"x-real-ip", b"127.0.0.1"),
        (b"forwarded", b"for=127.0.0.1;proto=https;host=admin"),
        (b"x_forwarded_for", b"127.0.0.1"),
        (b"x.forwarded.for", b"127.0.0.1"),
        (b"x-forwarded_for", b"127.0.0.1"),
        (b"x-client-ip", b"127.0.0.1"),
        (b"true-client-ip", b"127.0.0.1"),
        (b"cf-connecting-ip", b"127.0.0.1"),
    ],
)
def test_no_other_header_names_the_client(header: tuple[bytes, bytes]) -> None:
    """Only X-Forwarded-For in its one spelling is read, even from a trusted proxy."""
    assert PROXIES.client_address(PROXY, [header]) == PROXY
    assert PROXIES.client_address(PROXY, [header, (b"x-forwarded-for", b"203.0.113.9")]) == "203.0.113.9"


@given(st.lists(st.one_of(st.ip_addresses().map(str), st.text(max_size=12)), max_size=6))
def test_whatever_a_client_writes_an_appending_proxy_gives_its_address(forged: list[str]) -> None:
    """A proxy that appends the peer it saw is enough: no forged prefix changes the answer."""
    said = ", ".join([*forged, "203.0.113.9"]).encode("utf-8", "replace")

    assert PROXIES.client_address(PROXY, [(b"x-forwarded-for", said)]) == "203.0.113.9"


@given(st.one_of(st.ip_addresses().map(str), st.text(alphabet="0123456789.:", max_size=17), st.text(max_size=12)))
def test_the_short_way_for_ipv4_says_what_the_long_way_says(text: str) -> None:
    """Trusted or not, and in the same spelling; what it does not take, the long way judges."""
    proxies = TrustedProxies.parse("10.0.0.0/8,192.0.2.1,2001:db8::/32,128.0.0.0/1")
    address = _hop_address(text)

    told = proxies._known_ipv4(text)

    if told is not None:
        assert address is not None
        assert told == (str(address), any(address in network for network in proxies._networks))


def test_a_trusted_proxy_tells_the_original_request() -> None:
    """Method, target, host and scheme come from the four headers, the client from the fifth."""
    expected = OriginalRequest("GET", "/account?tab=1", "shop.example", "https", "203.0.113.9")

    assert PROXIES.original_request(PROXY, ASKED) == expected
    assert PROXIES.original_request("unix:", ASKED) == expected
    assert PROXIES.original_request(PROXY, ASKED[:4]) == expected._replace(client_address=PROXY)


def test_a_stranger_cannot_tell_an_original_request() -> None:
    """From any other peer the headers are as if not sent (CVE-2026-40575), well-formed or not."""
    skip = [(b"x-forwarded-uri", b"/skip/auth/regex")]

    assert PROXIES.original_request(STRANGER, skip) is None
    assert PROXIES.original_request(STRANGER, ASKED) is None
    assert PROXIES.original_request(STRANGER, [*ASKED, *ASKED]) is None
    assert TrustedProxies.parse("").original_request("127.0.0.1", ASKED) is None


def test_an_ordinary_request_through_a_proxy_is_no_question() -> None:
    """Without X-Forwarded-Method and -Uri the proxy merely passes a request on."""
    passed_on = [pair for pair in ASKED if pair[0] not in (b"x-forwarded-method", b"x-forwarded-uri")]

    assert PROXIES.original_request(PROXY, passed_on) is None
    assert PROXIES.original_request(PROXY, []) is None


@pytest.mark.parametrize(
    "header",
    [
        (b"x_forwarded_proto", b"http"),
        (b"x.forwarded.proto", b"http"),
        (b"x_forwarded_uri", b"/public"),
        (b"x_forwarded_host", b"evil.example"),
        (b"x-forwarded-prefix", b"/public"),
        (b"x-forwarded-port", b"1"),
        (b"x-forwarded-scheme", b"http"),
        (b"x-forwarded-ssl", b"off"),
        (b"front-end-https", b"off"),
        (b"x-original-uri", b"/public"),
        (b"x-original-url", b"/public"),
        (b"x-original-method", b"OPTIONS"),
        (b"x-http-method-override", b"OPTIONS"),
        (b"x-rewrite-url", b"/public"),
        (b"forwarded", b"for=127.0.0.1;proto=http;host=admin"),
        (b"x-real-ip", b"127.0.0.1"),
        (b"host", b"evil.example"),
        (b"user-agent", b"GoogleHC/1.0"),
        (b"connection", b"close"),
    ],
)
def test_aliases_and_relatives_change_nothing(header: tuple[bytes, bytes]) -> None:
    """Neither another spelling nor another header has a say (CVE-2026-39858, CVE-2026-35051, CVE-2026-54764)."""
    plain = PROXIES.original_request(PROXY, ASKED)

    assert PROXIES.original_request(PROXY, [header, *ASKED]) == plain
    assert PROXIES.original_request(PROXY, [*ASKED, header]) == plain


def refusal(headers: Headers) -> str:
    """The code with which a trusted proxy's question is refused."""
    with pytest.raises(ForwardedError) as caught:
        PROXIES.original_request(PROXY, headers)
    assert caught.value.status == 400
    return caught.value.code


@pytest.mark.parametrize("name", [b"method", b"uri", b"host", b"proto"])
def test_a_header_sent_twice_is_refused(name: bytes) -> None:
    """One of the two may be the client's, so neither is believed, even if they agree."""
    again = [(key, value) for key, value in ASKED if key == b"x-forwarded-" + name]

    assert refusal([*ASKED, *again]) == "forwarded_duplicate"
    assert refusal([(again[0][0], b"x"), *ASKED]) == "forwarded_duplicate"


@pytest.mark.parametrize("name", [b"method", b"uri", b"host", b"proto"])
def test_a_question_with_a_part_missing_is_refused(name: bytes) -> None:
    """Nothing is guessed: a proxy that asks must say all four."""
    assert refusal([pair for pair in ASKED if pair[0] != b"x-forwarded-" + name]) == "forwarded_incomplete"


@pytest.mark.parametrize("value", [b"close, X-Forwarded-User, X-Forwarded-Uri", b"x-forwarded-for"])
def test_a_connection_header_cannot_strip_the_proxys_word(value: bytes) -> None:
    """A client that lists X-Forwarded-* as hop-by-hop wants them dropped on the way (CVE-2025-48865)."""
    assert refusal([(b"connection", value), *ASKED]) == "forwarded_hop_by_hop"


@pytest.mark.parametrize(
    "method", [b"", b"get", b"GET ", b"G\x00T", b"GET\r\n", b"GET\n", b"GET,POST", b"GET /", b"\xc7ET", b"-", b"A" * 33]
)
def test_a_malformed_method_is_refused(method: bytes) -> None:
    """Only methods in capitals, of sane length."""
    assert refusal(asked(method=method)) == "forwarded_method"


@pytest.mark.parametrize("method", [b"GET", b"POST", b"PROPFIND", b"M-SEARCH", b"VERSION-CONTROL"])
def test_any_registered_method_is_told(method: bytes) -> None:
    """WebDAV and UPnP count too."""
    original = PROXIES.original_request(PROXY, asked(method=method))

    assert original is not None
    assert original.method == method.decode()


@pytest.mark.parametrize(
    "target",
    [
        b"",
        b"account",
        b"http://h/public",
        b"https://shop.example/",
        b"/a b",
        b"/a\x00b",
        b"/a\rb",
        b"/a\nb",
        b"/a\r\nSet-Cookie: x=1",
        b"/\t\\evil.com",
        b"/a\x7f",
        b"/foo/secret#/bar",
        b" /a",
        b"/a ",
        b"**",
        b"*a",
        b"?a",
        b"/" + b"a" * MAX_TARGET_BYTES,
    ],
)
def test_a_malformed_target_is_refused(target: bytes) -> None:
    """Absolute form, fragments, white space and control characters do not come from a sound proxy."""
    assert refusal(asked(uri=target)) == "forwarded_target"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/", "/"),
        (b"*", "*"),
        (b"/" + b"a" * (MAX_TARGET_BYTES - 1), "/" + "a" * (MAX_TARGET_BYTES - 1)),
        (b"/public/../admin/secrets", "/public/../admin/secrets"),
        (b"/public/secret%23/endpoint", "/public/secret%23/endpoint"),
        (b"/api/public/%2e%2e/admin", "/api/public/%2e%2e/admin"),
        (b"/%252e%252e/", "/%252e%252e/"),
        (b"//admin", "//admin"),
        (b"/admin;x=/public", "/admin;x=/public"),
        (b'/q?a="<>\\^`{|}[]~', '/q?a="<>\\^`{|}[]~'),
        (b"/%zz%", "/%zz%"),
        ("/caf\u00e9?\u00e9=%41".encode(), "/caf%C3%A9?%C3%A9=%41"),
        (b"/\xe9%e9", "/%E9%e9"),
    ],
)
def test_the_target_is_told_as_it_was_sent(target: bytes, expected: str) -> None:
    """Nothing is decoded or normalised here; only bytes beyond ASCII are percent-encoded."""
    original = PROXIES.original_request(PROXY, asked(uri=target))

    assert original is not None
    assert original.target == expected


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"\x00not-one-factor.example.com",
        b"shop.example\r\n",
        b"shop.example\n",
        b"shop.example, evil.example",
        b"shop.example evil.example",
        b"a@shop.example",
        b"shop.example/evil",
        b"shop.example\\evil",
        b"shop.example?",
        b"shop.example#",
        b"shop.example:",
        b"shop.example:x",
        b"shop.example:99999",
        b"shop.example:443:443",
        b".shop.example",
        b"shop..example",
        b"-shop.example",
        b"shop-.example",
        b"shop%2eexample",
        "sh\u00f6p.example".encode(),
        b"::1",
        b"[::1",
        b"[127.0.0.1]",
        b"[:::]",
        b"[fe80::1%25eth0]",
        b"a" * 262,
    ],
)
def test_a_malformed_host_is_refused(host: bytes) -> None:
    """A host that is not plainly one host is never passed on to be compared (CVE-2021-32637)."""
    assert refusal(asked(host=host)) == "forwarded_host"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"Shop.Example", "shop.example"),
        (b"shop.example:8443", "shop.example:8443"),
        (b"localhost", "localhost"),
        (b"192.0.2.1:80", "192.0.2.1:80"),
        (b"[2001:DB8::1]:8443", "[2001:db8::1]:8443"),
        (b"[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]"),
        (b"my_service.local", "my_service.local"),
        (b"xn--shp-sna.example", "xn--shp-sna.example"),
        (b"portal.x.evil.domain", "portal.x.evil.domain"),
        (b"shop.example.", "shop.example."),
    ],
)
def test_a_host_is_told_in_lower_case(host: bytes, expected: str) -> None:
    """Well-formed hosts pass; whether one is allowed is for the list of allowed hosts to say."""
    original = PROXIES.original_request(PROXY, asked(host=host))

    assert original is not None
    assert original.host == expected


@pytest.mark.parametrize(
    "scheme", [b"", b"evil_protocol", b"https,http", b"https ", b"ftp", b"javascript", b"htt\x00ps"]
)
def test_any_other_scheme_is_refused(scheme: bytes) -> None:
    """Only http and https are schemes."""
    assert refusal(asked(proto=scheme)) == "forwarded_scheme"


def test_the_scheme_is_told_in_lower_case() -> None:
    """HTTPS is https."""
    original = PROXIES.original_request(PROXY, asked(proto=b"HTTPS"))

    assert original is not None
    assert original.scheme == "https"


def test_the_original_request_cannot_be_changed() -> None:
    """It is handed around between rooms, so it is frozen."""
    original = PROXIES.original_request(PROXY, ASKED)

    assert original is not None
    with pytest.raises(AttributeError):
        original.scheme = "http"  # type: ignore[misc]


def test_verdicts_about_many_peers_are_not_kept_for_ever() -> None:
    """A flood of different peers cannot fill the memory."""
    proxies = TrustedProxies.parse("10.0.0.0/8")

    trusted = sum(proxies.trusts(f"10.0.{n // 256}.{n % 256}") for n in range(9_000))

    assert trusted == 9_000
    assert len(proxies._seen) <= MAX_SEEN
