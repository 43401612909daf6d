"""The TCF string of a consent banner: which purposes its visitor has agreed to (IAB Tech Lab, "TC String Format" 2.x).

Only the head of the core string is read: 6 bits version, 146 bits about the banner, then 24 bits, one a purpose. The
decoder on PyPI has had no release since 2022, needs a compiler and decodes all vendors for it.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Set
from typing import Final

_VERSION: Final = 2
_PURPOSES_AT: Final = 152
_PURPOSES: Final = 24
#: 24 bytes, in which all of that is; no core string is shorter.
_HEAD_CHARS: Final = 32
_HEAD: Final = re.compile(rf"[A-Za-z0-9_-]{{{_HEAD_CHARS}}}")


def purposes(text: str) -> Set[int] | None:
    """The numbers (from 1) of the purposes agreed to; None if this is no TCF string of version 2."""
    match = _HEAD.match(text)
    if match is None:
        return None
    bits = int.from_bytes(urlsafe_b64decode(match[0]), "big")
    size = _HEAD_CHARS * 6
    if bits >> (size - 6) != _VERSION:
        return None
    agreed = bits >> (size - _PURPOSES_AT - _PURPOSES)
    return frozenset(number for number in range(1, _PURPOSES + 1) if agreed >> (_PURPOSES - number) & 1)
