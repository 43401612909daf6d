"""A website's own signed cookies: tamper-proof, timestamped, one key ring; readable by the browser, so no secrets.

    <key id>.<value>.<time>.<signature>        each base64url without padding

The value goes into `cookies.set_cookie` as it is. The signature is that of itsdangerous' `TimestampSigner` with
SHA-256, `key_derivation="hmac"` and the cookie's name as salt, over everything before it.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from itsdangerous import BadData, BadSignature, TimestampSigner
from itsdangerous.encoding import base64_decode, base64_encode, bytes_to_int

from .cookies import MAX_COOKIE_BYTES

MIN_SECRET_BYTES: Final = 32
#: How far ahead the clock of the server that sealed may be.
CLOCK_LEEWAY_SECONDS: Final = 60

_SEALED: Final = re.compile(r"([\w-]{1,16})\.([\w-]*)\.([\w-]{1,8})\.([\w-]{43})", re.ASCII)
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,16}", re.ASCII)


class SignedCookies:
    """Seals values into cookies with the active key and opens those of any key on the ring.

    To rotate: add a key on every server, make it active, drop the old one when its cookies have expired.
    Raises ValueError for an active id without key, a malformed id, or a secret under 32 bytes.
    """

    def __init__(
        self,
        keys: Mapping[str, bytes],
        active: str,
        *,
        now_seconds: Callable[[], float] = lambda: datetime.now(UTC).timestamp(),
    ) -> None:
        bad = [repr(key_id) for key_id in keys if _KEY_ID.fullmatch(key_id) is None]
        if bad:
            raise ValueError(f"expected key ids of 1 to 16 base64url characters; got {', '.join(bad)}")
        short = [key_id for key_id, secret in keys.items() if len(secret) < MIN_SECRET_BYTES]
        if short:
            raise ValueError(f"expected secrets of at least {MIN_SECRET_BYTES} bytes; too short: {', '.join(short)}")
        if active not in keys:
            raise ValueError(f"expected the active key {active!r} among the keys {', '.join(keys) or '(none)'}")
        self._keys = dict(keys)
        self._active = active
        self._now_seconds = now_seconds

    def seal(self, name: str, value: bytes | str) -> str:
        """The cookie value that carries `value` (a str as UTF-8) under `name`; good for this name only.

        Raises ValueError if name and sealed value together exceed 4096 bytes.
        """
        payload = base64_encode(value.encode() if isinstance(value, str) else value).decode()
        sealed = self._signer(self._active, name).sign(f"{self._active}.{payload}").decode()
        if len(name.encode()) + len(sealed) > MAX_COOKIE_BYTES:
            raise ValueError(f"expected a sealed cookie of at most {MAX_COOKIE_BYTES} bytes; got {len(sealed)}")
        return sealed

    def open(self, name: str, value: str, max_age_seconds: int) -> bytes | None:
        """What was sealed under `name` at most `max_age_seconds` ago; None for anything else, whatever is wrong.

        There is one spelling: a value that decodes but would be encoded otherwise is refused.
        """
        match = _SEALED.fullmatch(value)
        if match is None or len(value) > MAX_COOKIE_BYTES:
            return None
        key_id, payload, stamp, _ = match.groups()
        if key_id not in self._keys or any(_respelled(part) != part for part in match.groups()[1:]):
            return None
        try:
            self._signer(key_id, name).unsign(value)
        except BadSignature:
            return None
        age_seconds = int(self._now_seconds()) - bytes_to_int(base64_decode(stamp))
        if not -CLOCK_LEEWAY_SECONDS <= age_seconds <= max_age_seconds:
            return None
        return base64_decode(payload)

    def _signer(self, key_id: str, name: str) -> "_Signer":
        return _Signer(self._keys[key_id], name.encode(), self._now_seconds)


class _Signer(TimestampSigner):
    """itsdangerous' signer with the clock handed in and no room for its defaults."""

    def __init__(self, secret: bytes, salt: bytes, now_seconds: Callable[[], float]) -> None:
        super().__init__(secret, salt=salt, sep=b".", key_derivation="hmac", digest_method=hashlib.sha256)
        self._now_seconds = now_seconds

    def get_timestamp(self) -> int:
        """Seconds since the epoch."""
        return int(self._now_seconds())


def _respelled(part: str) -> str | None:
    try:
        return base64_encode(base64_decode(part)).decode()
    except BadData:
        return None
