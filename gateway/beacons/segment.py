"""One file of the journal: a header, then frames; and the scan that reads it back after any accident.

    header  "LATCHSEG" version:u8 segment_id:16 boot_id:16 created_at_ms:u64 crc:u32                       53 bytes
    frame   marker:8 length:u32 crc:u32 journal_id:8 number:u64 payload:length                             32 + length

Big-endian. `journal_id` and `number` are the record id: the same when a record is written a second time, to another
segment. The marker is derived from the segment's random id, so no sender can know it; the CRC-32 covers length, record
id and payload and is seeded with the frame's offset, so that not even a true frame inside a payload passes for one.
A frame of length 0 is the end mark that a journal writes when it finishes a segment; its number counts the records.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from zlib import crc32

from ..ids import to_bytes, to_text

SUFFIX: Final = ".segment"
MAGIC: Final = b"LATCHSEG"
VERSION: Final = 1

_HEADER: Final = struct.Struct(">8sB16s16sQ")
_CRC: Final = struct.Struct(">I")
_FRAME: Final = struct.Struct(">8sII8sQ")
_IDENTITY: Final = struct.Struct(">I8sQ")
HEADER_BYTES: Final = _HEADER.size + _CRC.size
FRAME_BYTES: Final = _FRAME.size


class SegmentHeader(NamedTuple):
    """Who wrote a segment, and when it was made."""

    segment_id: bytes
    boot_id: bytes
    created_at_ms: int


class Record(NamedTuple):
    """One record of a segment."""

    offset: int
    journal_id: bytes
    number: int
    payload: bytes


def segment_name(segment_id: bytes, boot_id: bytes) -> str:
    """The file name: both ids, as 22 characters each."""
    return f"{to_text(segment_id)}.{to_text(boot_id)}{SUFFIX}"


def ids_of_name(name: str) -> tuple[bytes, bytes]:
    """Segment id and boot id of a file name; ValueError if it is not the name of a segment."""
    segment_text, _, boot_text = name.removesuffix(SUFFIX).partition(".")
    if not name.endswith(SUFFIX):
        raise ValueError(f"expected a name ending in {SUFFIX}")
    return to_bytes(segment_text), to_bytes(boot_text)


def marker_of(segment_id: bytes) -> bytes:
    """The sync marker of a segment's frames, 8 bytes."""
    return hashlib.blake2b(segment_id, digest_size=8, person=b"latch-seg").digest()


def encode_header(header: SegmentHeader) -> bytes:
    """The first bytes of a segment."""
    body = _HEADER.pack(MAGIC, VERSION, *header)
    return body + _CRC.pack(crc32(body))


def decode_header(data: bytes | memoryview) -> SegmentHeader | None:
    """The header at the start of `data`; None if it is damaged, cut or of another version."""
    if len(data) < HEADER_BYTES:
        return None
    magic, version, segment_id, boot_id, created_at_ms = _HEADER.unpack_from(data)
    (crc,) = _CRC.unpack_from(data, _HEADER.size)
    if magic != MAGIC or version != VERSION or crc != crc32(data[: _HEADER.size]):
        return None
    return SegmentHeader(segment_id, boot_id, created_at_ms)


class FrameEncoder:
    """HOT, 0.5 µs a frame: turns payloads into the frames of one segment."""

    __slots__ = ("_marker",)

    def __init__(self, segment_id: bytes) -> None:
        self._marker = marker_of(segment_id)

    def encode(self, payloads: list[bytes], offset: int, journal_id: bytes, number: int) -> bytes:
        """The frames of `payloads`, numbered from `number`, as they stand in the file from `offset` on."""
        marker, pack, identify, crc = self._marker, _FRAME.pack, _IDENTITY.pack, crc32
        parts = []
        for payload in payloads:
            length = len(payload)
            checksum = crc(payload, crc(identify(length, journal_id, number), offset & 0xFFFFFFFF))
            parts.append(pack(marker, length, checksum, journal_id, number))
            parts.append(payload)
            offset += FRAME_BYTES + length
            number += 1
        return b"".join(parts)

    def encode_end(self, offset: int, records: int) -> bytes:
        """The end mark: `records` are in this segment and no more will come."""
        return self.encode([b""], offset, bytes(8), records)


@dataclass(slots=True)
class Scan:
    """Iterate to get a segment's records in order; then the other fields are complete.

    Never raises for what the bytes say, whatever they are. Ranges are offsets, end exclusive.
    """

    data: bytes | memoryview
    segment_id: bytes
    #: None if the header was damaged; the frames are found all the same, since the name gives the segment id.
    header: SegmentHeader | None = None
    records: int = 0
    #: What lies between good frames and is none: skipped, to be quarantined.
    damaged: list[tuple[int, int]] = field(default_factory=list)
    #: Bytes at the end that are no whole frame: a write that never came to its end and was never answered.
    torn_bytes: int = 0
    #: How many records the end mark counts; None without end mark (the writer died, or still writes).
    finished_with: int | None = None

    def __iter__(self) -> Iterator[Record]:
        data = memoryview(self.data)
        header = decode_header(data)
        self.header = header if header is not None and header.segment_id == self.segment_id else None
        marker = marker_of(self.segment_id)
        size = len(data)
        offset = HEADER_BYTES
        if self.header is None:
            offset = 0
        while offset < size:
            frame = _read_frame(data, offset, marker)
            if frame is None:
                found = self._next_frame(offset, marker)
                if found is None:
                    self._end(offset, marker)
                    return
                self.damaged.append((offset, found))
                offset = found
                continue
            offset += FRAME_BYTES + len(frame.payload)
            if frame.payload:
                self.records += 1
                yield frame
            else:
                self.finished_with = frame.number

    def _next_frame(self, offset: int, marker: bytes) -> int | None:
        """Where the next whole frame begins after `offset`."""
        # `bytes.find` runs at memory speed; a memoryview has none.
        raw = self.data if isinstance(self.data, bytes) else bytes(self.data)
        view = memoryview(raw)
        at = raw.find(marker, offset + 1)
        while at >= 0:
            if _read_frame(view, at, marker) is not None:
                return at
            at = raw.find(marker, at + 1)
        return None

    def _end(self, offset: int, marker: bytes) -> None:
        """Judge what stands after the last whole frame: torn if it can be the beginning of one, else damaged."""
        rest = bytes(self.data[offset:])
        if self.header is None and offset == 0:
            self.damaged.append((0, len(rest)))
        elif self.finished_with is None and _is_torn(rest, marker):
            self.torn_bytes = len(rest)
        else:
            self.damaged.append((offset, offset + len(rest)))


def _read_frame(data: memoryview, offset: int, marker: bytes) -> Record | None:
    if len(data) - offset < FRAME_BYTES:
        return None
    found, length, checksum, journal_id, number = _FRAME.unpack_from(data, offset)
    end = offset + FRAME_BYTES + length
    if found != marker or end > len(data):
        return None
    payload = bytes(data[offset + FRAME_BYTES : end])
    if checksum != crc32(payload, crc32(_IDENTITY.pack(length, journal_id, number), offset & 0xFFFFFFFF)):
        return None
    return Record(offset, journal_id, number, payload)


def _is_torn(rest: bytes, marker: bytes) -> bool:
    """Whether `rest` is a frame cut short, or one whose blocks never reached the disk (a file system gives zeros)."""
    if not rest.rstrip(b"\0"):
        return True
    if not rest.startswith(marker[: len(rest)]):
        return False
    if len(rest) < FRAME_BYTES:
        return True
    (length,) = struct.unpack_from(">I", rest, len(marker))
    # A whole length with a wrong checksum is torn only if blocks are missing at its end.
    return bool(FRAME_BYTES + length > len(rest) or rest.endswith(bytes(64)))
