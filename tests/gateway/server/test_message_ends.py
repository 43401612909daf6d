"""Where messages end, however they are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.server.message_ends import MessageEnds


@given(
    data=st.lists(st.sampled_from([b"\r", b"\n", b"\r\n\r\n", b"a"])).map(b"".join), sizes=st.lists(st.integers(1, 5))
)
def test_no_piece_holds_bytes_behind_an_empty_line(data: bytes, sizes: list[int]) -> None:
    """Wherever the packets are cut, an empty line ends a piece, and every cut makes progress."""
    ends = MessageEnds()
    seen = b""
    position = 0

    for size in [*sizes, len(data)]:
        packet = data[position : position + size]
        position += len(packet)
        start = 0
        while start < len(packet):
            end = ends.cut(packet, start)
            assert start < end <= len(packet)
            piece = packet[start:end]
            assert b"\r\n\r\n" not in (seen[-3:] + piece)[:-1]
            ends.remember(piece)
            seen += piece
            start = end

    assert seen == data


def test_a_body_of_known_length_ends_after_that_many_bytes() -> None:
    """Empty lines within it mean nothing."""
    ends = MessageEnds()
    ends.body_left = 6

    assert ends.cut(b"\r\n\r\nabcdef", 0) == 6
    assert ends.cut(b"\r\n\r\n", 0) == 4


def pieces(ends: MessageEnds, packets: list[bytes]) -> list[bytes]:
    """What the parser would be fed."""
    found = []
    for packet in packets:
        start = 0
        while start < len(packet):
            end = ends.cut(packet, start)
            assert start < end <= len(packet)
            ends.remember(packet[start:end])
            found.append(packet[start:end])
            start = end
    return found


CHUNKS = st.lists(st.sampled_from([b"a", b"\r\n\r\n", b"0\r\n\r\n", b"x" * 300, b"\n", b"5\r\nabcde\r\n"]), max_size=6)


@given(
    chunks=CHUNKS,
    extension=st.sampled_from([b"", b";a=b", b" ", b";" + b"x" * 40]),
    trailers=st.sampled_from([b"", b"X: y\r\n", b"X: " + b"0" * 40 + b"\r\nY: z\r\n"]),
    size=st.integers(1, 400),
)
def test_chunks_are_cut_where_their_message_ends_and_nowhere_else(
    chunks: list[bytes], extension: bytes, trailers: bytes, size: int
) -> None:
    """Whatever they hold and however they come in packets; the next request begins a piece of its own."""
    body = b"".join(b"%X%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    body += b"0%s\r\n%s\r\n" % (extension, trailers)
    data = body + b"GET / HTTP/1.1\r\n\r\n"
    ends = MessageEnds()
    ends.expect_chunks()

    fed = pieces(ends, [data[i : i + size] for i in range(0, len(data), size)])

    starts = [len(b"".join(fed[:n])) for n in range(len(fed))]
    assert b"".join(fed) == data
    assert len(body) in starts
    assert all(start % size == 0 or start == len(body) for start in starts)


def test_a_body_of_empty_lines_is_one_piece() -> None:
    """It was cut at each of them: four megabytes cost 2.6 seconds of the processor."""
    ends = MessageEnds()
    ends.expect_chunks()

    assert len(pieces(ends, [b"%x\r\n" % 400_000 + b"\r\n\r\n" * 100_000])) == 1


@pytest.mark.parametrize("line", [b"x\r\n", b"-1\r\n", b"\r\n", b"11111111111111111\r\n", b"0x5\r\n", b"+5\r\n"])
def test_chunks_that_cannot_be_read_are_left_to_the_parser(line: bytes) -> None:
    """No end is seen in them, so what the parser makes of them is never followed by a request."""
    ends = MessageEnds()
    ends.expect_chunks()

    assert ends.cut(line + b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n", 0) == len(line) + 23
