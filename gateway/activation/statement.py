"""What a TV app states of the device it runs on: a JWS (RFC 7515) by a key of the app's, sent with the wish for codes.

    device_statement: eyJ…   header  {"typ": "device-statement+jwt", "alg": "ES256", "kid": "2026"}
                             claims  {"iss": "living-room-app", "aud": "https://www.example.com",
                                      "brand": "Acme", "model": "Aurora 55", "hardware_id": "AC-55-0017-22F1"}

It names the device and is one signal of a fingerprint; nobody is let in for it. So it has no time: the clocks of TVs
are often wrong, and who repeats another's statement is called by another's model. The operator registers public keys.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from msgspec import Meta, Struct

from ..recognition.makers import Make
from ..tokens.app_keys import REGISTRY, Algorithm, AppKey, PublicJwk, imported

MAX_STATEMENT_BYTES: Final = 4_096
#: Nothing that breaks lines or moves text about.
_Words = Annotated[str, Meta(max_length=60, pattern=r"\A[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*\Z")]


class StatementKeysError(ValueError):
    """The file of keys cannot be used."""


class Statement(NamedTuple):
    """What a device is, by its app; each may be empty. The hardware id is not to be written down as it is."""

    make: Make
    hardware_id: str


class _KeySet(Struct, frozen=True):
    keys: list[dict[str, object]]


class _Header(Struct, frozen=True):
    typ: Literal["device-statement+jwt"]
    alg: Algorithm
    kid: str | None = None
    crit: msgspec.UnsetType = msgspec.UNSET


class _Claims(Struct, frozen=True):
    iss: str
    aud: str
    brand: _Words = ""
    model: _Words = ""
    hardware_id: Annotated[str, Meta(max_length=256)] = ""


#: The keys of each client, with the id that a header may choose one by.
Keys = Mapping[str, tuple[tuple[str | None, AppKey], ...]]


class Statements:
    """Reads the statements of registered clients; `audience` is the scheme and host that clients know us by."""

    def __init__(self, keys: Keys, *, audience: str) -> None:
        self._keys = keys
        self._audience = audience

    def read(self, client: str, text: str) -> Statement | None:
        """What a client's statement says; None if it is none of this client's for us. Never raises."""
        if len(text) > MAX_STATEMENT_BYTES:
            return None
        try:
            parts = jws.extract_compact(text.encode("ascii"), registry=REGISTRY)
            header = msgspec.convert(parts.headers(), _Header)
            if not any(
                jws.validate_compact(parts, key, registry=REGISTRY)
                for key_id, key in self._keys.get(client, ())
                if header.kid in (None, key_id) and (header.alg == "ES256") == isinstance(key, ECKey)
            ):
                return None
            claims = msgspec.json.decode(parts.payload, type=_Claims)
        except (JoseError, ValueError, TypeError, RecursionError):
            return None
        if claims.iss != client or claims.aud != self._audience:
            return None
        return Statement(Make(claims.brand.strip(), claims.model.strip()), claims.hardware_id)


def load_keys(path: Path | None) -> Keys:
    """The keys in a file of JWK sets by client, none without one: `{"living-room-app": {"keys": [{"kty": "EC", …}]}}`.

    Raises StatementKeysError: it cannot be read, or holds a private or another kind of key.
    """
    if path is None:
        return {}
    try:
        sets = msgspec.json.decode(path.read_bytes(), type=dict[str, _KeySet])
    except OSError as error:
        raise StatementKeysError(f"cannot be read ({error.strerror})") from None
    except msgspec.DecodeError:
        raise StatementKeysError('expected {"client-id": {"keys": [public JWKs]}}') from None
    return {client: tuple(_key(client, row) for row in found.keys) for client, found in sets.items()}


def _key(client: str, row: Mapping[str, object]) -> tuple[str | None, AppKey]:
    if "d" in row or "k" in row:
        raise StatementKeysError(f"{client}: expected public keys only; this one was private and must be replaced")
    try:
        key_id = row.get("kid")
        return key_id if isinstance(key_id, str) else None, imported(msgspec.convert(row, PublicJwk))
    except (msgspec.ValidationError, JoseError, ValueError):
        raise StatementKeysError(f"{client}: expected keys of P-256 (ES256) or Ed25519") from None
