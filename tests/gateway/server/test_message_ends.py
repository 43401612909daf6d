"""Where messages end, however they are cut."""

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
