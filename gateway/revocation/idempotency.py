"""An idempotency key belongs to one act: whoever sends it with another one is told so, and nothing is revoked."""

from hashlib import sha256
from pathlib import Path

from ..errors import Conflict, StoreAway
from ..ids import ID_BYTES, to_text
from ..store import keys
from ..store.client import Store
from ..store.scripts import load

_BIND = load(Path(__file__).parent / "bind_act.lua", keys=("bound",), args=("act",))


async def bind(store: Store, repeat_key: str, act: str) -> None:
    """Bind `repeat_key` to `act` for 24 hours. Idempotent, also where the act itself fails afterwards.

    Raises Conflict (`idempotency_key_reused`) if it came with another act before, and StoreAway (nothing was revoked).
    """
    try:
        is_bound = await _BIND(store, {"bound": keys.bound_act(_digest(repeat_key))}, {"act": _digest(act)})
    except StoreAway as fault:
        raise StoreAway(
            "nothing is revoked yet; repeat it with the same Idempotency-Key", code="revocation_not_confirmed"
        ) from fault
    if not is_bound:
        raise Conflict(
            "idempotency_key_reused", "expected a new Idempotency-Key: this one was sent with another act before"
        )


def _digest(text: str) -> str:
    return to_text(sha256(text.encode()).digest()[:ID_BYTES])
