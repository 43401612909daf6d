"""Beginning a session where the account may be full: what was chosen is given up only if that is what is needed."""

from collections.abc import Collection
from dataclasses import dataclass

from ..devices.limit import DeviceLimit, Full
from ..errors import Conflict
from ..revocation.receipt import Receipt
from .refusals import TOO_MANY_DEVICES
from .sign_in import SignIn, Started
from .start import Starter


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The devices that were signed out for a session, and the receipt of that."""

    full: Full
    receipt: Receipt


async def begin(
    starter: Starter, limit: DeviceLimit, sign_in: SignIn, give_up: Collection[str]
) -> tuple[Started | Full, GaveUp | None]:
    """The session, and what was given up for it; or what there is to choose from, if nothing was chosen.

    The sign-in is tried first: nothing is given up where there is room, or where it is refused for another reason.
    Raises as `Starter.start` and `DeviceLimit.give_up` do.
    """
    try:
        return await starter.start(sign_in), None
    except Conflict as conflict:
        full = await limit.full(sign_in.account) if conflict.code == TOO_MANY_DEVICES else None
        if full is None:
            raise
    if not give_up:
        return full, None
    receipt = await limit.give_up(sign_in.account, give_up, full)
    return await starter.start(sign_in), GaveUp(full, receipt)
