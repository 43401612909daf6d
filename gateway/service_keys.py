"""Credentials for /v1: random secrets for the website's backend, stored as hashes and checked at each call.

    Authorization: Bearer lsk_<22 characters: id>_<43 characters: secret>

The secret has 256 random bits, so a plain SHA-256 of it is enough at rest: there is nothing to guess.

The command line has none. It shows that it holds the key ring, by a token for one act that is good for some seconds.
"""

import hmac
import json
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from .clock import Clock
from .errors import NotAllowed, NotFound, NotSignedIn
from .ids import ID_CHARS, is_id, new_id, to_text
from .store import keys
from .store.client import Store
from .tokens.codec import Codec, Refused
from .tokens.purposes import OperatorCall

_PREFIX: Final = "lsk_"
#: What a credential for reports only opens.
REPORTS_PREFIX: Final = "/v1/reports/"
#: How long an operator call may take to arrive; also what two clocks of one deployment may differ.
#: What an OperatorCall can carry (tokens/purposes.py).
_LONGEST_ACT: Final = 300
OPERATOR_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """One credential as it may be listed: never its secret."""

    id: str
    name: str
    created_at_ms: int
    reports_only: bool = False


class ServiceKeys:
    """The service credentials of a deployment."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def add(self, name: str, *, reports_only: bool = False) -> str:
        """Make a credential and return it; this is the only time it is seen. Raises StoreAway.

        One for reports only opens these and the dashboard, and nothing else.
        """
        key_id, secret = _new_key_id(), to_text(secrets.token_bytes(32))
        row: dict[str, object] = {"name": name, "created_at_ms": self._clock.wall_ms(), "sha256": _hash(secret)}
        if reports_only:
            row["reports_only"] = True
        await self._store.guard(self._store.redis.hset(keys.SERVICE_KEYS, key_id, json.dumps(row)))
        return f"{_PREFIX}{key_id}_{secret}"

    async def list(self) -> list[ServiceKey]:
        """Every credential, oldest first. Raises StoreAway."""
        rows = await self._store.guard(self._store.redis.hgetall(keys.SERVICE_KEYS))
        parsed = [(key_id, json.loads(row)) for key_id, row in rows.items()]
        return sorted(
            (
                ServiceKey(str(key_id), row["name"], row["created_at_ms"], row.get("reports_only", False))
                for key_id, row in parsed
            ),
            key=lambda key: key.created_at_ms,
        )

    async def revoke(self, key_id: str) -> None:
        """Make a credential worthless from the next call on. Raises NotFound, StoreAway."""
        if not await self._store.guard(self._store.redis.hdel(keys.SERVICE_KEYS, key_id)):
            raise NotFound("unknown_service_key", "no service key has this id")

    async def has(self, key_id: str) -> bool:
        """Whether there is a credential of this id. Raises StoreAway."""
        return bool(await self._store.guard(self._store.redis.hexists(keys.SERVICE_KEYS, key_id)))

    async def check(self, authorization: str, *, for_reports: bool = False) -> str:
        """The id of the credential in an Authorization header; `for_reports` if nothing but reports is wanted.

        Raises NotSignedIn (absent, malformed, wrong or revoked: the same answer for all), NotAllowed (good for reports
        only), StoreAway.
        """
        scheme, _, credential = authorization.partition(" ")
        key_id, secret = credential[len(_PREFIX) :][:ID_CHARS], credential[len(_PREFIX) + ID_CHARS + 1 :]
        one_spelling = f"{_PREFIX}{key_id}_{secret}" == credential
        well_formed = scheme.lower() == "bearer" and one_spelling and is_id(key_id)
        row = await self._store.guard(self._store.redis.hget(keys.SERVICE_KEYS, key_id)) if well_formed else None
        expected = json.loads(row)["sha256"] if row else _hash("")
        if not hmac.compare_digest(_hash(secret), expected) or not row:
            # RFC 6750 section 3.1: no error is named to who showed nothing.
            raise NotSignedIn(
                "bad_service_credential",
                "expected Authorization: Bearer with a valid service key",
                challenge='Bearer realm="latchstring", error="invalid_token"' if scheme.lower() == "bearer" else "",
            )
        if json.loads(row).get("reports_only") and not for_reports:
            raise NotAllowed("reports_only", "this service key is for /v1/reports and the dashboard only")
        return key_id


def operator_authorization(codec: Codec, act: str, *, now_ms: int) -> str:
    """The Authorization header of one call, such as "POST /v1/revoke-everybody", by who holds the key ring."""
    return f"Bearer {codec.seal(OperatorCall(_short(act), now_ms)).decode()}"


def is_operator_call(codec: Codec, authorization: str, act: str, *, now_ms: int) -> bool:
    """Whether this header was made for this very act, a moment ago; whoever gets hold of it can do nothing else."""
    token = authorization.removeprefix("Bearer ").encode("latin-1", "replace")
    opened = codec.open(token, OperatorCall)
    return (
        not isinstance(opened, Refused)
        and opened.act == _short(act)
        and abs(now_ms - opened.issued_at_ms) <= OPERATOR_SECONDS * 1000
    )


def _short(act: str) -> str:
    """The act as its token carries it: one with a long name in its path by its hash."""
    if len(act) <= _LONGEST_ACT:
        return act
    return f"{act.partition(' ')[0]} /sha256/{sha256(act.encode('utf-8', 'surrogateescape')).hexdigest()}"


def _new_key_id() -> str:
    # It is typed on command lines, where a leading "-" would make it an option.
    while (key_id := new_id()).startswith("-"):
        pass
    return key_id


def _hash(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class ServiceOnly:
    """ASGI: lets a request through only with a valid service credential or operator call; else raises NotSignedIn."""

    def __init__(self, app: ASGIApp, service_keys: ServiceKeys, codec: Codec, clock: Clock) -> None:
        self._app = app
        self._service_keys = service_keys
        self._codec = codec
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] == "http":
            sent = [value for name, value in scope["headers"] if name == b"authorization"]
            authorization = sent[0].decode("latin-1") if len(sent) == 1 else ""
            act = f"{scope['method']} {scope['path']}"
            if not is_operator_call(self._codec, authorization, act, now_ms=self._clock.wall_ms()):
                await self._service_keys.check(authorization, for_reports=scope["path"].startswith(REPORTS_PREFIX))
        await self._app(scope, receive, send)
