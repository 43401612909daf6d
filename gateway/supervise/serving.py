"""`latchstring serve`: the embedded store, HTTP workers on one socket, shippers, housekeeping, hook deliverer."""

import asyncio
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..node_health import health_directory
from ..store.embedded import EmbeddedStore
from .children import Child, GoneHook
from .listening import listening_socket
from .store_child import store_child
from .supervisor import Supervisor

_ROOM: Final = "latchstring_gateway.supervise"


def module_argv(name: str) -> tuple[str, ...]:
    """The command that runs a module of this room as a process of its own, in this Python."""
    return (sys.executable, "-m", f"{_ROOM}.{name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run. `listen` as in `listening_socket`; without `embedded_store` there is no store child.

    `worker_argv` is given `--fd N` besides, the number of the shared listening socket.
    """

    data_dir: Path
    listen: str
    workers: int
    shippers: int = 1
    sends: bool = False
    embedded_store: bool
    worker_argv: Sequence[str] = module_argv("http_worker")
    shipper_argv: Sequence[str] = module_argv("shipper")
    housekeeping_argv: Sequence[str] = module_argv("housekeeping")
    deliverer_argv: Sequence[str] = module_argv("deliverer")
    sender_argv: Sequence[str] = module_argv("sender")
    #: How long a worker may finish what it has begun; uvicorn itself gives up after 10.
    drain_seconds: float = 12.0


def serve(plan: Plan, *, on_child_gone: GoneHook | None = None) -> int:
    """Run everything until a signal; the exit code. Call from the main thread, outside any event loop.

    StoreInUse, EmbeddedStoreError, CannotListen before anything is started. Children are named store, deliverer,
    shipper, shipper-2, housekeeping, sender, worker-1, worker-2 and so on, and find their own name in
    LATCHSTRING_CHILD.
    """
    with ExitStack() as held:
        store = None
        if plan.embedded_store:
            store = EmbeddedStore(plan.data_dir)
            store.claim()
            held.callback(store.release)
        listener = held.enter_context(listening_socket(plan.listen))
        groups = gateway_groups(plan, store, listener)
        return asyncio.run(_supervise(groups, on_child_gone, health_directory(plan.data_dir)))


async def _supervise(groups: Sequence[Sequence[Child]], on_child_gone: GoneHook | None, health: Path) -> int:
    return await Supervisor(groups, on_child_gone=on_child_gone, health=health).run()


def gateway_groups(plan: Plan, store: EmbeddedStore | None, listener: socket.socket) -> list[list[Child]]:
    """The children in the order of their start; stopped the other way round: workers first, the store last."""
    workers = [
        Child(
            name=f"worker-{number}",
            argv=(*plan.worker_argv, "--fd", str(listener.fileno())),
            env={"LATCHSTRING_CHILD": f"worker-{number}"},
            pass_fds=(listener.fileno(),),
            stop_seconds=plan.drain_seconds,
        )
        for number in range(1, plan.workers + 1)
    ]
    deliverer = Child(name="deliverer", argv=plan.deliverer_argv, env={"LATCHSTRING_CHILD": "deliverer"})
    shippers = [
        Child(name=name, argv=(*plan.shipper_argv, "--number", str(number)), env={"LATCHSTRING_CHILD": name})
        for number in range(1, plan.shippers + 1)
        for name in ["shipper" if number == 1 else f"shipper-{number}"]
    ]
    house = Child(name="housekeeping", argv=plan.housekeeping_argv, env={"LATCHSTRING_CHILD": "housekeeping"})
    sender = Child(name="sender", argv=plan.sender_argv, env={"LATCHSTRING_CHILD": "sender"})
    behind = [*shippers, house, *([sender] if plan.sends else [])]
    return [[store_child(store)] if store else [], [deliverer], behind, workers]
