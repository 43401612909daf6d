"""JA4: the fingerprint of a client's TLS stack, as a proxy tells it in a header; believed from trusted peers only.

x-ja4: t13d1516h2_8daaf6152771_e5627efa2ab1
"""

import re
from typing import Final

from latchstring_middleware.forwarded import Headers, TrustedProxies

#: Protocol, TLS version, SNI or none, counts of ciphers and extensions, ALPN; two hashes.
_JA4: Final = re.compile(r"[tqd][0-9sd][0-9][di][0-9]{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}")


def ja4_of(text: str) -> str:
    """The fingerprint, or nothing if the text is none."""
    return text if _JA4.fullmatch(text) else ""


def ja4_told(peer: str, headers: Headers, trusted: TrustedProxies, *, header: str) -> str:
    """What a trusted peer tells in the header of that name (lower case; empty: none is read); nothing if twice."""
    told = [value for name, value in headers if name == header.encode()] if header and trusted.trusts(peer) else []
    return ja4_of(told[0].decode("latin-1")) if len(told) == 1 else ""
