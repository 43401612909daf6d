"""The embedded store as a child: stops an orphan first, writes its configuration, is ready when it answers."""

from collections.abc import Sequence

from .. import logs
from ..store.embedded import EmbeddedStore, Health
from .children import Child

_log = logs.get("supervise")


class StoreCare:
    """Care for the embedded store, whose directory the supervisor has claimed."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store

    def before_start(self) -> Sequence[str]:
        """See `Care.before_start`."""
        if (pid := self._store.stop_orphan()) is not None:
            _log.warning("stopped a store that had outlived its supervisor", pid=pid)
        return self._store.argv()

    def started(self, pid: int) -> None:
        """See `Care.started`."""
        self._store.note_started(pid)

    def is_ready(self, pid: int) -> bool:
        """See `Care.is_ready`."""
        return self._store.probe(pid) is Health.READY

    def cause_of_death(self) -> str:
        """See `Care.cause_of_death`."""
        return self._store.explain_death()


def store_child(store: EmbeddedStore) -> Child:
    """The child spec of the embedded store; call `store.claim()` first."""
    return Child(
        name="store", argv=(), env=store.environment(), env_only=True, stop_seconds=10.0, care=StoreCare(store)
    )
