"""Answers are encoded once, as the wire wants them."""

from latchstring_gateway.wire import NOT_RECORDED, Head, HeaderNames, Reply, UnreadHead

UNREAD = UnreadHead(
    b"/a",
    b"GET /a HTTP/1.1\r\nHost: a\r\nCookie: \t a=b; Cookie: c\r\nX-Cookie: d\r\ncOOkie:\r\nX-Y_z: e:f \r\n\r\n",
    "192.0.2.1",
)


def test_an_unread_head_says_what_a_read_one_says() -> None:
    """Names in any case, white space before a value is no part of it, and a name ends at its first colon."""
    lines = [
        (b"host", b"a"),
        (b"cookie", b"a=b; Cookie: c"),
        (b"x-cookie", b"d"),
        (b"cookie", b""),
        (b"x-y_z", b"e:f "),
    ]
    read = Head(b"GET", b"/a", lines, "192.0.2.1")

    assert UNREAD.headers == read.headers
    assert (UNREAD.method, UNREAD.target, UNREAD.peer, UNREAD.body) == (read.method, read.target, read.peer, read.body)


def test_wanted_lines_are_found_in_both_kinds_of_head() -> None:
    """Whole names only, and each of several lines of one name."""
    for wanted in (HeaderNames(b"cookie"), HeaderNames(b"cookie", b"host", b"x-y_z", b"x-y")):
        read = Head(b"GET", b"/a", UNREAD.headers, "192.0.2.1").lines(wanted)

        assert [(name.lower(), value) for name, value in UNREAD.lines(wanted)] == read
        assert len(read) >= 2


def test_a_head_mentions_what_stands_in_a_value() -> None:
    """It may also find what stands elsewhere; the look at the header decides."""
    read = Head(b"GET", b"/a", UNREAD.headers, "192.0.2.1")

    assert [head.mentions(b"a=b") for head in (UNREAD, read)] == [True, True]
    assert [head.mentions(b"a=c") for head in (UNREAD, read)] == [False, False]


def test_a_reply_knows_its_length_and_its_bytes() -> None:
    """Status line, headers and body are ready to be written; the length is counted here."""
    reply = Reply(200, ((b"x-a", b"1"),), b"hello")

    assert reply.headers == ((b"x-a", b"1"), (b"content-length", b"5"))
    assert reply.status_line + reply.tail == b"HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 5\r\n\r\nhello"


def test_an_answer_without_content_has_no_length() -> None:
    """RFC 9110 section 8.6 forbids it on 204."""
    assert Reply(204).tail == b"\r\n"


def test_a_hit_that_cannot_be_kept_is_503_and_tells_when_to_come_back() -> None:
    """Nothing is answered 2xx that is not on disk."""
    assert NOT_RECORDED.status == 503
    assert (b"retry-after", b"5") in NOT_RECORDED.headers
