"""What the links of one worker share: its store, its replica, its name and its standing in the registry."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..background import Work
from ..clock import Clock
from ..errors import StoreAway
from ..store.client import Store
from .acknowledge import Acknowledgements
from .doubts import Doubts
from .fence import Fence
from .replica import Replica


class NotFollowing(StoreAway):
    """The store answers, but its bells do not come (yet): checks ask it one by one."""


@dataclass(slots=True)
class Following:
    """What the links of one worker share."""

    store: Store
    clock: Clock
    worker: str
    replica: Replica
    acknowledgements: Acknowledgements
    doubts: Doubts
    #: Called with (worker, revocation ids) when another worker has applied what this one revoked.
    heard: Callable[[str, list[str]], None]
    register: Callable[[], Awaitable[None]]
    #: Raises for an epoch of the registry's server that is not to be trusted.
    vouch: Callable[[int], Awaitable[None]] | None
    fence_seconds: float
    heartbeat_seconds: float
    work: Work
    #: The row changed: it is written again with the next heartbeat.
    row_changed: bool = False
    #: Since when (boot time) this worker's row has been known to stand in the registry; 0 while it is not.
    registered_ns: int = 0
    #: The fence of the server with the registry, which no other outlasts: who is struck there is waited for nowhere.
    registry_fence: Fence = field(init=False)
