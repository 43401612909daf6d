"""The words of a refused hit that may be somebody's name: what stands between the marks of queries and of JSON."""

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
    if depth < _MAX_DEPTH:
        for nested in _NESTED.findall(plain):
            try:
                inner = b64decode(nested.translate(_TO_STANDARD) + b"=" * (-len(nested) % 4))
            except ValueError:
                continue
            yield from names_in(inner, depth + 1)
