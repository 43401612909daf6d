"""Where a link leads, as every reader of it understands it: a proxy, a browser, and we."""

import re
from typing import Final

#: Decided by scheme, host and port alone: no user before the host, no "\", which browsers take for "/".
_TARGET: Final = re.compile(r"(https?://[A-Za-z0-9._-]+(?::[0-9]{1,5})?)(?:[/?#][\x21-\x5b\x5d-\x7e]*)?")


def origin_of(target: str) -> str | None:
    """The origin of an http(s) URL, its host in lower case ("https://www.example.com"); None if it is no such URL.

    The port stands in it as it stands in the URL. All of the URL is visible ASCII, so it may be said in a Location.
    """
    found = _TARGET.fullmatch(target)
    return None if found is None else found[1].lower()
