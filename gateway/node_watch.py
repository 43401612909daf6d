"""What a worker knows of the whole node: which tasks of its processes fail or are overdue, which children are down."""

from pathlib import Path
from typing import Any, Final

import msgspec

from . import metrics
from .background import Work
from .clock import Clock
from .node_health import NodeHealth, TaskTrouble, look
from .one_thread import OneThread

_LOOK_SECONDS: Final = 2.0


class NodeWatch:
    """One worker's watch over its node; call `follow` every second or two.

    `process` is this worker's own name, "" outside a supervisor; what troubles its own tasks is known without a file.
    """

    def __init__(self, directory: Path, work: Work, clock: Clock, *, process: str) -> None:
        self._directory = directory
        self._work = work
        self._clock = clock
        self._process = process
        self._thread = OneThread("health files")
        self._health = NodeHealth()

    async def follow(self) -> None:
        """Hear what the other processes say, and tell the metrics. Raises StillHanging if the disk does not answer."""
        now_ns, process = self._clock.boot_ns(), self._process
        health = await self._thread.run(
            lambda: look(self._directory, now_ns, but=process), within_seconds=_LOOK_SECONDS
        )
        self._health = health
        troubled = {child.child for child in health.children}
        for row in health.rows:
            metrics.CHILD_DOWN.labels(row.child).set(int(row.child in troubled))
            metrics.CHILD_DEATHS.labels(row.child).set(row.deaths)

    def told(self) -> dict[str, Any]:
        """For readiness: `tasks` and `children`, each only if there is something wrong with one."""
        own = [TaskTrouble(self._process, one.task, one.state, one.fault, one.remedy) for one in self._work.troubles()]
        found = {"tasks": [*own, *self._health.tasks], "children": list(self._health.children)}
        return {name: msgspec.to_builtins(troubles) for name, troubles in found.items() if troubles}
