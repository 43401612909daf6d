"""The words of a refused hit that may be somebody's name: what stands between the marks of queries and of JSON."""

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from ..beacons.payload import RawHit

#: What a name of ours may be made of, without the marks that queries and JSON put between names.
_WORD: Final = re.compile(rb"[!#-%'-+\--<>@-Z^-z|~]{1,128}")
#: Trackers put JSON into parameters as base64 of either alphabet.
_NESTED: Final = re.compile(rb"[A-Za-z0-9+/_-]{16,}")
#: What stands in JSON's quotes, and between the marks of a query: names with blanks, or of other letters than ASCII's.
_QUOTED: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)(?:"|\\?+\Z)', re.DOTALL)
_MARKS: Final = re.compile(rb"[?&=\n]")
#: A name of 255 bytes, each of them escaped.
_MAX_PART_BYTES: Final = 2_000
_MAX_DEPTH: Final = 3
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")


def names_in_hit(hit: RawHit, alone: bytes = b"") -> Iterator[str]:
    """The words of a hit that a dead letter keeps; `alone` takes the body's place where one event was refused."""
    yield from names_in(hit.target)
    yield from names_in(alone or hit.body)
    for _name, value in hit.headers:
        yield from names_in(value)


def names_in(text: bytes, depth: int = 0) -> Iterator[str]:
    """Every word of a text, percent-decoded too, and of what is base64 in it."""
    plain = unquote_to_bytes(text.replace(b"+", b" "))
    for spelling in {text, plain}:
        for word in _WORD.findall(spelling):
            yield word.decode("ascii")
    yield from _foreign(text)
    if depth < _MAX_DEPTH:
        for nested in _NESTED.findall(plain):
            try:
                inner = b64decode(nested.translate(_TO_STANDARD) + b"=" * (-len(nested) % 4))
            except ValueError:
                continue
            yield from names_in(inner, depth + 1)


def _foreign(text: bytes) -> Iterator[str]:
    """The values that are no words: of JSON without its escapes, of a query without its percent signs."""
    for quoted in _QUOTED.findall(text):
        if len(quoted) <= _MAX_PART_BYTES and (b"\\" in quoted or b" " in quoted or not quoted.isascii()):
            try:
                value = json.loads(b'"%b"' % quoted, strict=False)
            except ValueError:
                continue
            yield value.encode("utf-8", "replace").decode()
    for part in _MARKS.split(text):
        if len(part) <= _MAX_PART_BYTES and (b"%" in part or b"+" in part or b" " in part or not part.isascii()):
            value = unquote_to_bytes(part.replace(b"+", b" ")).decode("utf-8", "replace")
            if " " in value or not value.isascii():
                yield value
