"""What a proxy passes on of a browser's request, for verify and for a hit."""

from typing import Final

_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
_BROWSER: Final = {
    "User-Agent": _AGENT,
    "Accept": "image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.7",
    "Sec-Fetch-Dest": "image",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "www.example.com",
}
VERIFY: Final = _BROWSER | {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/watch/17"}
HIT: Final = _BROWSER | {
    "Referer": "https://www.example.com/watch/17",
    "X-Latch-Hit": "0123456789abcdef0123456789abcdef",
}
#: A page navigation, whose answer may carry a renewed cookie.
NAVIGATION: Final = VERIFY | {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
