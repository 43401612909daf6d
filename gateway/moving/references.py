"""Our ids for what the website has names of its own for: the same name gives the same id, and no id tells the name.

A name may be the very value of the website's session cookie, so it is never kept. The id is its HMAC under a secret of
the deployment, so importing a line twice, or vouching twice for a cookie, finds the same record.

    latchstring:<22 characters>      one of our own ids, as `latchstring export` writes it: kept as it is
"""

import hmac
import secrets
from hashlib import sha256
from typing import Final, Literal

from ..ids import ID_BYTES, to_bytes, to_text
from ..store import keys
from ..store.client import Store

OWN: Final = "latchstring:"
_FIELD: Final = "reference_secret"


class References:
    """Turns references into ids."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        #: Tells deployments apart without telling the secret.
        self.fingerprint = to_text(hmac.digest(secret, b"fingerprint", sha256)[:ID_BYTES])

    def id_of(self, kind: Literal["session", "device"], account: str, reference: str) -> str:
        """The id of an account's session or device. Raises ValueError for `latchstring:` and no id behind it."""
        if reference.startswith(OWN):
            return to_text(to_bytes(reference.removeprefix(OWN)))
        words = b"\0".join((kind.encode(), account.encode(), reference.encode()))
        return to_text(hmac.digest(self._secret, words, sha256)[:ID_BYTES])


async def references(store: Store) -> References:
    """Those of the deployment; makes its secret when first asked. Raises StoreAway."""
    await store.guard(store.redis.hsetnx(keys.DEPLOYMENT, _FIELD, secrets.token_hex(32)))
    secret = await store.guard(store.redis.hget(keys.DEPLOYMENT, _FIELD))
    return References(bytes.fromhex(str(secret)))
