"""The file format: what is written is read back, and any accident costs at most what it touched."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from latchstring_gateway.beacons.segment import (
    FRAME_BYTES,
    HEADER_BYTES,
    FrameEncoder,
    Record,
    Scan,
    SegmentHeader,
    encode_header,
    ids_of_name,
    marker_of,
    segment_name,
)

SEGMENT = bytes(range(16))
BOOT = bytes(range(16, 32))
JOURNAL = b"journal!"
HEADER = encode_header(SegmentHeader(SEGMENT, BOOT, 1_800_000_000_000))

#: Payloads as an enemy would write them: with the marker, with pieces of frames, with zeros.
hostile_payloads = st.one_of(
    st.binary(min_size=1, max_size=60),
    st.just(marker_of(SEGMENT) * 3),
    st.binary(max_size=8).map(lambda tail: FrameEncoder(SEGMENT).encode([b"inner"], HEADER_BYTES, JOURNAL, 7) + tail),
    st.just(bytes(100)),
)
payload_lists = st.lists(hostile_payloads, min_size=1, max_size=8)


def _segment_of(payloads: list[bytes]) -> bytes:
    return HEADER + FrameEncoder(SEGMENT).encode(payloads, HEADER_BYTES, JOURNAL, 100)


def _frame_starts(payloads: list[bytes]) -> list[int]:
    starts = [HEADER_BYTES]
    for payload in payloads:
        starts.append(starts[-1] + FRAME_BYTES + len(payload))
    return starts


@given(payload_lists)
def test_segment_gives_back_every_record_in_order(payloads: list[bytes]) -> None:
    """What was appended is what is read, whatever the payloads contain."""
    scan = Scan(_segment_of(payloads), SEGMENT)

    records = list(scan)

    assert [record.payload for record in records] == payloads
    assert [record.number for record in records] == list(range(100, 100 + len(payloads)))
    assert (scan.damaged, scan.torn_bytes, scan.finished_with) == ([], 0, None)
    assert scan.header == SegmentHeader(SEGMENT, BOOT, 1_800_000_000_000)


@given(payload_lists, st.data())
def test_segment_cut_anywhere_keeps_the_whole_frames_before_the_cut(payloads: list[bytes], data: st.DataObject) -> None:
    """A tail that is torn is cut; nothing before it is lost and nothing is invented."""
    whole = _segment_of(payloads)
    cut = data.draw(st.integers(HEADER_BYTES, len(whole)))
    scan = Scan(whole[:cut], SEGMENT)

    records = list(scan)

    starts = _frame_starts(payloads)
    complete = sum(1 for end in starts[1:] if end <= cut)
    assert [record.payload for record in records] == payloads[:complete]
    assert scan.torn_bytes == cut - starts[complete]
    assert scan.damaged == []


@settings(max_examples=300)
@given(payload_lists, st.data())
def test_segment_with_a_flipped_byte_loses_only_the_frame_it_lies_in(
    payloads: list[bytes], data: st.DataObject
) -> None:
    """Damage is skipped to the next frame and counted; a frame inside a payload never takes the place of its host."""
    whole = bytearray(_segment_of(payloads))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    scan = Scan(bytes(whole), SEGMENT)

    records = list(scan)

    starts = _frame_starts(payloads)
    hit = next((i for i in range(len(payloads)) if starts[i] <= at < starts[i + 1]), None)
    assert [record.payload for record in records] == [p for i, p in enumerate(payloads) if i != hit]
    if hit is None:
        assert scan.header is None
        assert scan.damaged == [(0, HEADER_BYTES)]
    elif hit < len(payloads) - 1:
        assert scan.damaged == [(starts[hit], starts[hit + 1])]
    else:
        lost = scan.torn_bytes or scan.damaged[0][1] - scan.damaged[0][0]
        assert lost == starts[-1] - starts[hit]


@given(st.binary(max_size=400))
def test_scan_of_anything_at_all_never_raises(data: bytes) -> None:
    """Whatever stands in the file, every byte is a record, damage or a torn tail."""
    scan = Scan(data, SEGMENT)

    assert list(scan) == []
    assert sum(end - start for start, end in scan.damaged) + scan.torn_bytes == len(data)


def test_segment_says_how_many_records_it_was_finished_with() -> None:
    """The end mark tells a finished segment from an abandoned one, and is no record."""
    frames = FrameEncoder(SEGMENT)
    body = _segment_of([b"a", b"b"])
    scan = Scan(body + frames.encode_end(len(body), 2), SEGMENT)

    assert [record.payload for record in scan] == [b"a", b"b"]
    assert scan.finished_with == 2


def test_zeros_after_the_last_frame_are_a_torn_tail() -> None:
    """A file system that grew the file but lost the blocks leaves zeros: nothing there was ever answered."""
    scan = Scan(_segment_of([b"a"]) + bytes(500), SEGMENT)

    assert len(list(scan)) == 1
    assert (scan.torn_bytes, scan.damaged) == (500, [])


def test_frame_of_another_segment_or_another_place_is_no_record() -> None:
    """A block that the disk put into the wrong file or at the wrong place is damage, not a hit."""
    foreign = FrameEncoder(bytes(16)).encode([b"foreign"], HEADER_BYTES, JOURNAL, 1)
    misplaced = FrameEncoder(SEGMENT).encode([b"misplaced"], HEADER_BYTES + 1, JOURNAL, 1)
    good_at = HEADER_BYTES + len(foreign) + len(misplaced)
    good = FrameEncoder(SEGMENT).encode([b"good"], good_at, JOURNAL, 2)
    scan = Scan(HEADER + foreign + misplaced + good, SEGMENT)

    assert list(scan) == [Record(good_at, JOURNAL, 2, b"good")]
    assert scan.damaged == [(HEADER_BYTES, good_at)]


def test_segment_name_gives_both_ids_back() -> None:
    """The name alone says which segment it is and in which boot it was made."""
    assert ids_of_name(segment_name(SEGMENT, BOOT)) == (SEGMENT, BOOT)


def test_documented_example_is_what_is_written() -> None:
    """The bytes in docs/journal.md are those of a real segment."""
    text = (Path(__file__).parents[3] / "docs" / "journal.md").read_text()
    blocks = [block for block in text.split("```")[1::2] if block.strip().startswith("4c 41")]
    frames = FrameEncoder(SEGMENT)
    record = frames.encode([b"hello"], HEADER_BYTES, bytes.fromhex("a1a2a3a4a5a6a7a8"), 1)
    end = frames.encode_end(HEADER_BYTES + len(record), 1)

    assert [bytes.fromhex(block) for block in blocks] == [HEADER + record + end]
