r"""Cookie header bytes -> our cookies, by exact name; and the Set-Cookie lines that set and clear them.

A cookie value of ours is base64url plus "." and nothing else, so there is never anything to unquote or decode.
Frameworks' own parsers are no substitute: one that strips Unicode spaces turns the name `\xa0__Host-session`, which any
sibling host may set, into `__Host-session`, and one that lets the last duplicate win then believes it.
"""

import re
from typing import Final

#: Bytes of all cookie headers of a request together, joined by "; " (RFC 9113 section 8.2.3).
MAX_HEADER_BYTES: Final = 16_384
MAX_PAIRS: Final = 256
#: Name and value together; browsers drop longer cookies without a word (RFC 6265bis section 5.6).
MAX_COOKIE_BYTES: Final = 4_096
#: Browsers cap every lifetime at 400 days (RFC 6265bis section 5.5).
MAX_AGE_SECONDS: Final = 400 * 86_400

_VALUE_BYTES: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
_VISIBLE_BYTES: Final = bytes(range(0x21, 0x7F))
_NAME: Final = re.compile(r"__Host-[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_VALUE: Final = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


def named_cookies(headers: list[tuple[bytes, bytes]], names: frozenset[bytes]) -> dict[bytes, bytes]:
    """HOT, 1 us: the cookies called `names` that this request carries, by name.

    Header names are in lower case, as ASGI has them. A name is absent from the result if it was sent twice, or with an
    empty value, or one with a byte outside base64url and "."; all are if the headers exceed the caps.

    The common shape is found by substring search, at a cost that hardly grows with the cookies of others
    (30 foreign cookies: 1.3 us instead of 4.9); whatever looks unusual goes to `careful_cookies`.
    """
    raw = None
    for header, line in headers:
        if header == b"cookie":
            if raw is not None:
                return careful_cookies(headers, names)
            raw = line
    if raw is None or len(raw) > MAX_HEADER_BYTES or raw.count(b";") >= MAX_PAIRS:
        return {}
    found = {}
    for name in names:
        at = raw.find(name)
        if at < 0:
            continue
        end = at + len(name)
        if (at and raw[at - 2 : at] != b"; ") or raw[end : end + 1] != b"=" or raw.find(name, end) > 0:
            return careful_cookies(headers, names)
        stop = raw.find(b";", end)
        value = raw[end + 1 :] if stop < 0 else raw[end + 1 : stop]
        if not value or value.translate(None, _VALUE_BYTES):
            return careful_cookies(headers, names)
        found[name] = value
    return found


def careful_cookies(headers: list[tuple[bytes, bytes]], names: frozenset[bytes]) -> dict[bytes, bytes]:
    """The same as `named_cookies` by the rules one by one, for requests that do not look like a browser's."""
    sent = _sent_once(headers, names)
    return {name: value for name, value in sent.items() if not value.translate(None, _VALUE_BYTES)}


def foreign_cookie(headers: list[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The value of a cookie that another system set, byte for byte: quotes and escapes are its own business.

    None if it is absent or empty, was sent twice, or holds anything but visible ASCII.
    """
    value = _sent_once(headers, frozenset((name,))).get(name)
    return None if value is None or value.translate(None, _VISIBLE_BYTES) else value


def _sent_once(headers: list[tuple[bytes, bytes]], names: frozenset[bytes]) -> dict[bytes, bytes]:
    raw = b"; ".join([line for header, line in headers if header == b"cookie"])
    if len(raw) > MAX_HEADER_BYTES or raw.count(b";") >= MAX_PAIRS:
        return {}
    sent: dict[bytes, bytes] = {}
    twice = set()
    for pair in raw.split(b";"):
        # A pair without "=" is a nameless cookie that merely holds our name as its value.
        left, equals, right = pair.partition(b"=")
        name = left.strip(b" \t")
        if equals and name in names:
            if name in sent:
                twice.add(name)
            sent[name] = right.strip(b" \t")
    return {name: value for name, value in sent.items() if value and name not in twice}


def set_cookie(
    name: str, value: str, *, max_age_seconds: int | None, http_only: bool = True, partitioned: bool = False
) -> str:
    """The Set-Cookie value for a `__Host-` cookie: Secure, Path=/, SameSite=Lax, no Domain (RFC 6265bis 4.1.3.2).

    None for `max_age_seconds` makes it live as long as the browser runs.
    Raises ValueError for a name without `__Host-` or that is no token, a value that is empty or leaves base64url and
    ".", name and value over 4096 bytes, and a lifetime that is not 1 second to 400 days.
    """
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"expected a cookie name that begins with __Host- and is a token; got {name!r}")
    if _VALUE.fullmatch(value) is None:
        raise ValueError(f'expected base64url and "." as the value of {name}; encode it first')
    if len(name) + len(value) > MAX_COOKIE_BYTES:
        raise ValueError(f"expected at most {MAX_COOKIE_BYTES} bytes in {name}; got {len(name) + len(value)}")
    line = f"{name}={value}; Path=/; Secure; SameSite=Lax"
    if max_age_seconds is not None:
        if not 0 < max_age_seconds <= MAX_AGE_SECONDS:
            raise ValueError(f"expected a lifetime of 1 to {MAX_AGE_SECONDS} seconds; got {max_age_seconds}")
        line += f"; Max-Age={max_age_seconds}"
    if http_only:
        line += "; HttpOnly"
    if partitioned:
        line += "; Partitioned"
    return line


def clear_cookie(name: str, *, partitioned: bool = False) -> str:
    """The Set-Cookie value that makes a browser forget a `__Host-` cookie.

    Repeats the attributes it was set with: a browser ignores a deletion of a `__Host-` cookie without Secure and
    Path=/, and takes one without Partitioned for another cookie. Raises ValueError for a bad name.
    """
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"expected a cookie name that begins with __Host- and is a token; got {name!r}")
    return f"{name}=; Path=/; Secure; SameSite=Lax; Max-Age=0; HttpOnly" + ("; Partitioned" if partitioned else "")
