"""Random ids of 128 bits (16 bytes in tokens, 22 base64url characters elsewhere), and the names of accounts."""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NewType

Account = NewType("Account", str)
SessionId = NewType("SessionId", str)
DeviceId = NewType("DeviceId", str)
BrowserId = NewType("BrowserId", str)
WorkerId = NewType("WorkerId", str)
RevocationId = NewType("RevocationId", str)

#: The longest name of an account, in bytes of UTF-8.
MAX_ACCOUNT_BYTES = 255
#: Letters that show nothing at all (Unicode calls them default-ignorable, or a blank pattern).
#: Format characters are of them too, and refused by their category; these are letters and marks.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0") | {
    chr(selector) for selector in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}

ID_BYTES = 16
ID_CHARS = 22
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def new_id() -> str:
    """A fresh id: 128 bits from the operating system's generator, as 22 characters."""
    return to_text(secrets.token_bytes(ID_BYTES))


def to_text(raw: bytes) -> str:
    """The text form of raw bytes: base64url without padding (RFC 4648 section 5)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def to_bytes(text: str) -> bytes:
    """The bytes of an id.

    Raises ValueError unless `text` is exactly the spelling that `to_text` gives.
    """
    if not is_id(text):
        raise ValueError("expected an id of 22 base64url characters")
    raw = urlsafe_b64decode(text + "==")
    if to_text(raw) != text:
        raise ValueError("expected an id in its canonical spelling")
    return raw


def is_id(text: str) -> bool:
    """Whether `text` has the length and alphabet of an id."""
    return len(text) == ID_CHARS and _ALPHABET.issuperset(text)


def account_problem(name: str) -> str:
    """What is wrong with an account's name; blank if nothing is.

    Any printable Unicode text of 1 to 255 bytes without white space, compared byte for byte: nothing is normalised.
    Refused are controls, format characters (such as those that turn the direction of writing), surrogates, blanks that
    look like nothing, and "." and "..", which a URL cannot carry.
    """
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "expected text that UTF-8 can write, without half a surrogate pair"
    if not 0 < size <= MAX_ACCOUNT_BYTES:
        return f"expected 1 to {MAX_ACCOUNT_BYTES} bytes of UTF-8"
    if not name.isprintable() or " " in name or not _BLANK.isdisjoint(name):
        return "expected printable characters, without spaces, controls or marks that nobody sees"
    if name in (".", ".."):
        return "expected a name that a URL can carry"
    return ""
