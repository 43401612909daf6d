"""Random ids of 128 bits: 16 bytes inside tokens, 22 base64url characters everywhere else."""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NewType

Account = NewType("Account", str)
SessionId = NewType("SessionId", str)
DeviceId = NewType("DeviceId", str)
BrowserId = NewType("BrowserId", str)
WorkerId = NewType("WorkerId", str)
RevocationId = NewType("RevocationId", str)

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
