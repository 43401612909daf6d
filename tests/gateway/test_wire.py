"""Answers are encoded once, as the wire wants them."""

from latchstring_gateway.wire import NOT_RECORDED, Reply


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
