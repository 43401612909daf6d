"""Both doors give the same bytes, in order, whatever comes and however it is cut."""

import asyncio
import itertools
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from harness.doors import Connection, request

TARGETS = [
    b"/fast",
    b"/fast?a=b&c",
    b"/kept?x=1",
    b"/empty",
    b"/declined",
    b"/body",
    b"/declined-body",
    b"/other?q",
    b"/seen",
]
EXTRA_HEADERS = [
    b"",
    b"",
    b"Cookie: a=b; c=d\r\nX-Forwarded-For: 198.51.100.7\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"Content-Length: 0\r\n",
    b"Upgrade: h2c\r\n",
]
# uvicorn throws away what came in one packet with such a request; the fast door reads it.
UPGRADE = b"connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"


@st.composite
def requests(draw: st.DrawFn, extra_headers: list[bytes]) -> bytes:
    """One well-formed request of any kind."""
    method = draw(st.sampled_from([b"GET", b"GET", b"HEAD", b"POST", b"PUT", b"OPTIONS"]))
    target = draw(st.sampled_from(TARGETS))
    headers = draw(st.sampled_from(extra_headers))
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0"]))
    # Two lengths are refused; of an upgrade with a body uvicorn loses the body. Both have tests of their own.
    plain = b"Content-Length" not in headers and b"Upgrade" not in headers
    body = draw(st.binary(min_size=1, max_size=80)) if plain and method in (b"POST", b"PUT") else b""
    if body and draw(st.booleans()):
        headers += b"Transfer-Encoding: chunked\r\n"
        half = len(body) // 2
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (body[:half], body[half:]) if c)
        head = request(target, method, headers).replace(b"HTTP/1.1", b"HTTP/" + version, 1)
        return head + chunks + b"0\r\n\r\n"
    return request(target, method, headers, body).replace(b"HTTP/1.1", b"HTTP/" + version, 1)


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    """The packets it comes in."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    for start, end in itertools.pairwise(edges):
        yield data[start:end]


async def converse(door: str, messages: list[bytes], places: list[int], *, pipelined: bool) -> tuple[bytes, bool]:
    """What a client gets, and whether the connection is over then."""
    connection = Connection(door)
    for piece in cut(b"".join(messages), places) if pipelined else (p for m in messages for p in cut(m, places)):
        connection.feed(piece)
        if not pipelined:
            await connection.settle()
    await connection.settle()
    try:
        return connection.sent, connection.over
    finally:
        connection.close()


def conversations(extra_headers: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    """One to five requests of a client."""
    return st.lists(requests(extra_headers), min_size=1, max_size=5)


PLACES = st.lists(st.integers(0, 10_000), max_size=6)


def check_same_bytes(messages: list[bytes], places: list[int], *, pipelined: bool) -> None:
    """The client's view of both doors."""
    fast = asyncio.run(converse("fast", messages, places, pipelined=pipelined))
    plain = asyncio.run(converse("plain", messages, places, pipelined=pipelined))

    assert fast == plain


@settings(max_examples=100, deadline=None)
@given(messages=conversations([*EXTRA_HEADERS, UPGRADE]), places=PLACES)
def test_both_doors_give_the_same_bytes(messages: list[bytes], places: list[int]) -> None:
    """A client cannot tell which door answered: not by a byte, not by when the connection ends."""
    check_same_bytes(messages, places, pipelined=False)


@settings(max_examples=100, deadline=None)
@given(messages=conversations(EXTRA_HEADERS), places=PLACES)
def test_both_doors_give_the_same_bytes_to_pipelined_requests(messages: list[bytes], places: list[int]) -> None:
    """The same where all requests are sent before the first answer is read."""
    check_same_bytes(messages, places, pipelined=True)


TOKEN = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=8)
NAMES = st.one_of(st.sampled_from(["Cookie", "cookie", "COOKIE", "Content-Type", "x-forwarded-for", "X-Cookie"]), TOKEN)
SPACE = st.text(" \t", max_size=2)
VALUES = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=20).map(lambda t: t.strip(" \t"))


@settings(max_examples=200, deadline=None)
@given(lines=st.lists(st.tuples(NAMES, SPACE, VALUES, SPACE), max_size=6))
def test_both_doors_see_the_same_header_lines(lines: list[tuple[str, str, str, str]]) -> None:
    """A handler finds the same headers whether the parser handed over each line or none."""
    refused = ("connection", "content-length", "transfer-encoding", "upgrade", "expect", "proxy-connection")
    headers = "".join(f"{n}:{a}{v}{b}\r\n" for n, a, v, b in lines if n.lower() not in refused).encode("latin-1")

    check_same_bytes([request(b"/seen", headers=headers)], [], pipelined=False)


MALFORMED = [
    b"GET /seen HTTP/1.1\r\nCookie: a=b\r\n c=d\r\n\r\n",
    b"GARBAGE\r\n\r\n",
    b"GET /fast HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET /fast HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    b"GET /fast HTTP/1.1\r\nX: a\x00b\r\n\r\n",
    b"GET /fast HTTP/9.9\r\n\r\n",
    b"GET fast HTTP/1.1\r\n\r\n",
    b"GET http://host HTTP/1.1\r\n\r\n",
    b"CONNECT host:443 HTTP/1.1\r\n\r\n",
    b"POST /body HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    b"POST /body HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /other HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"POST /body HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    b"POST /body HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST /body HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc",
    b"POST /body HTTP/1.1\r\nContent-Length: -3\r\n\r\nabc",
    b"POST /body HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\nabc",
    b"POST /body HTTP/1.1\r\nContent-Length: 0x3\r\n\r\nabc",
    b"POST /body HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]


@pytest.mark.parametrize("data", MALFORMED)
@pytest.mark.parametrize("door", ["fast", "plain"])
async def test_what_is_malformed_gets_400_and_the_end_at_either_door(door: str, data: bytes) -> None:
    """Conflicting lengths, unknown encodings and other ways to hide a second request are refused, never guessed at."""
    connection = Connection(door)

    connection.feed(data)
    await connection.settle()

    assert connection.sent.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert connection.sent.endswith(b"\r\nconnection: close\r\n\r\nInvalid HTTP request received.")
    assert connection.over
    assert connection.journal.kept == []


async def test_pipelined_hot_recorded_and_ordinary_requests_are_answered_in_order() -> None:
    """Three kinds of request in one packet, two hundred times: no answer overtakes another."""
    connection = Connection("fast")
    targets = [path + b"?%d" % number for number in range(200) for path in (b"/fast", b"/kept", b"/other")]

    connection.feed(b"".join(request(target) for target in targets))
    while len(re.findall(rb"HTTP/1.1 20[02]", connection.sent)) < len(targets):
        await connection.settle()

    seen = re.findall(rb"x-target: (\S+)|GET (/other) ", connection.sent)
    assert [hot or ordinary for hot, ordinary in seen] == [b"/other" if b"other" in t else t for t in targets]
    connection.close()


async def test_a_recorded_answer_waits_for_the_commit() -> None:
    """Nothing is answered 2xx before it is in the journal."""
    connection = Connection("fast")

    connection.feed(request(b"/kept"))
    before = connection.sent
    connection.journal.commit()

    assert before == b""
    assert connection.sent.startswith(b"HTTP/1.1 202 Accepted\r\n")
    connection.close()


@pytest.mark.parametrize("door", ["fast", "plain"])
async def test_a_hit_that_could_not_be_kept_is_answered_503(door: str) -> None:
    """A full disk is told to the client, and when to come back."""
    connection = Connection(door)

    connection.feed(request(b"/kept"))
    for _turn in range(3):
        await asyncio.sleep(0)
    connection.journal.commit(kept=False)
    await connection.settle()

    assert connection.sent.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: 5\r\n" in connection.sent
    connection.close()


async def test_a_bug_in_a_handler_is_503_and_the_end_of_the_connection() -> None:
    """A handler that raises takes down one connection, and is logged once."""
    fast = Connection("fast")

    with capture_logs() as logs:
        fast.feed(request(b"/crashed") + request(b"/fast"))
        await fast.settle()

    assert fast.sent.startswith(b"HTTP/1.1 503 ")
    assert fast.over
    assert [(entry["event"], entry["where"]) for entry in logs] == [("unexpected_error", "fast")]
    assert logs[0]["id"].encode() in fast.sent


async def test_a_body_over_the_route_limit_goes_the_long_way() -> None:
    """65 bytes to a route that takes 64 reach the app, complete."""
    connection = Connection("fast")

    connection.feed(request(b"/body", b"POST", body=b"x" * 65))
    await connection.settle()

    assert connection.sent.endswith(b"POST /body " + b"x" * 65)
    assert connection.journal.kept == []
    connection.close()


async def test_a_body_may_contain_what_ends_a_head() -> None:
    """Empty lines within a body do not end it, wherever the packets are cut."""
    connection = Connection("fast")
    data = request(b"/body", b"POST", body=b"\r\n\r\nGET /fast HTTP/1.1\r\n\r\n") + request(b"/fast")

    for piece in cut(data, list(range(0, len(data), 3))):
        connection.feed(piece)
        await connection.settle()

    assert connection.journal.kept == [b"/body \r\n\r\nGET /fast HTTP/1.1\r\n\r\n"]
    assert connection.sent.count(b"HTTP/1.1") == 3  # one of them within the echoed body
    connection.close()


async def test_a_trailer_is_not_a_header() -> None:
    """A chunked request cannot add headers behind those that were checked."""
    seen: list[list[tuple[bytes, bytes]]] = []

    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        while (await receive())["more_body"]:
            pass
        seen.append(scope["headers"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    connection = Connection("fast", app=app)
    head = b"POST /other HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.feed(head)
    await asyncio.sleep(0)
    connection.feed(b"1\r\nx\r\n0\r\nX-Latch-Account: eve\r\n\r\n" + request(b"/fast"))
    await connection.settle()

    assert seen == [[(b"host", b"a"), (b"transfer-encoding", b"chunked")]]
    assert connection.sent.endswith(b"\r\n\r\nGET")
    connection.close()


async def test_a_trailer_is_no_header_of_a_get_either() -> None:
    """The fast door reads header lines where it finds them: those behind a chunked body are none."""
    data = b"GET /seen HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\nCookie: a=b\r\n\r\n"
    for end in (b"0", b"d\r\nx\r\nCookie: c=d\r\n0"):
        connection = Connection("fast")

        connection.feed(data % end)
        await connection.settle()

        assert b"ookie" not in connection.sent
        connection.close()


#: What a JDK 17 HttpClient sends with its defaults, and other ways to offer what is not spoken here.
OFFERS = [
    b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAA\r\nUpgrade: h2c\r\n",
    b"connection: keep-alive, upgrade\r\nupgrade: websocket\r\n",
    b"Connection: upgrade\r\nConnection: Upgrade\r\nUpgrade: x, y\r\nUpgrade: z\r\n",
    b"Proxy-Connection: upgrade\r\nUpgrade: TLS/1.0\r\n",
]


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer[-14:-2].decode())
@pytest.mark.parametrize("target", [b"/other", b"/fast", b"/body", b"/declined-body"])
@pytest.mark.parametrize("packets", ["one", "bytes"])
async def test_an_offer_of_another_protocol_is_ignored_and_the_body_read(
    target: bytes, offer: bytes, packets: str
) -> None:
    """The JDK's HttpClient offers h2c with every POST, and was answered 400 (RFC 9110, 7.8, lets it be ignored)."""
    plain, offered = Connection("fast"), Connection("fast")
    inner = request(b"/fast")
    messages = [
        request(target, b"POST", b"%s", inner),
        request(target, b"POST", b"Transfer-Encoding: chunked\r\n%s") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner),
        request(target, b"PUT", b"%s", b"x" * 3_000),
        request(target, b"GET", b"%s"),
        request(b"/other", b"POST", b"%s", b"last"),
    ]

    for connection, lines in ((plain, b""), (offered, offer)):
        # All in one packet, as one who hides a request in a body would send them.
        data = b"".join(message.replace(b"%s", lines, 1) for message in messages)
        for piece in [data] if packets == "one" else (data[i : i + 1] for i in range(len(data))):
            connection.feed(piece)
        for _ in messages:
            await connection.settle()

    assert offered.sent == plain.sent
    assert offered.sent.count(b"HTTP/1.1 ") == len(messages), "what is hidden in a body is no request"
    assert not offered.over
    plain.close()
    offered.close()


@pytest.mark.parametrize(
    "head", [b"CONNECT /other HTTP/1.1\r\nContent-Length: 40", b"CONNECT a:443 HTTP/1.1\r\nHost: a"]
)
async def test_a_tunnel_is_refused_with_everything_behind_it(head: bytes) -> None:
    """What the parser takes for the bytes of a tunnel is neither a body nor a request."""
    connection = Connection("fast")

    connection.feed(head + b"\r\n\r\n" + request(b"/fast"))
    await connection.settle()

    assert connection.sent.startswith(b"HTTP/1.1 400 ")
    assert connection.sent.count(b"HTTP/1.1") == 1
    connection.close()


async def test_default_headers_are_those_of_the_moment() -> None:
    """The date changes when uvicorn changes it, also under keep-alive."""
    connection = Connection("fast")

    connection.feed(request(b"/fast"))
    connection.state.default_headers = [(b"Date", b"later"), (b"X-More", b"1")]
    connection.feed(request(b"/fast"))

    assert connection.sent.count(b"\r\ndate: Tue") == 1
    assert connection.sent.count(b"\r\ndate: later\r\nx-more: 1\r\n") == 1
    assert connection.state.total_requests == 2
    connection.close()
