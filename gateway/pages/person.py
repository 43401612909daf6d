"""Whether an answer will be shown to a person: a page that was opened or a form that was sent, no script's request.

Browsers say so in Sec-Fetch-Mode and -Dest; of those that do not, only pages and forms ask for text/html.
"""

from collections.abc import Mapping
from typing import Final

_SHOWN: Final = frozenset((b"document", b"iframe", b"frame"))


def shows_page(headers: Mapping[bytes, bytes]) -> bool:
    """By the request's headers, names in lower case; whatever its method."""
    mode = headers.get(b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate" and headers.get(b"sec-fetch-dest") in _SHOWN
    if b"x-requested-with" in headers or b"upgrade" in headers:
        return False
    return b"text/html" in headers.get(b"accept", b"")
