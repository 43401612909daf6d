"""Keeps a worker's data of places in step with their files, and tells how old they are."""

from typing import Final

from . import logs, metrics
from .clock import Clock
from .devices.place import Data, Places
from .one_thread import OneThread
from .sessions.country import ClientCountry

_log: Final = logs.get("places")
_REMEDY: Final = "`latchstring geo update`, or a newer file where LATCHSTRING_COUNTRY_FILE or _PROVIDER_FILE names one"

#: How long opening a new file may take: it is mapped into memory, not read.
_LOOK_SECONDS: Final = 5.0


class PlaceWatch:
    """One worker's watch over its places; call `follow` about once a second.

    Data count as old from `old_days` on: what the registries allocate moves slowly, but it moves.
    """

    def __init__(self, places: Places, country: ClientCountry, clock: Clock, *, old_days: int) -> None:
        self._places = places
        self._country = country
        self._clock = clock
        self._old_ms = old_days * 86_400_000
        self._old: frozenset[Data] = frozenset()
        self._thread = OneThread("files of places")

    @property
    def old(self) -> list[str]:
        """The data that are old, for readiness: a warning, for an old country is better than none."""
        return [f"old_{data}" for data in sorted(self._old)]

    async def follow(self) -> None:
        """Take up files that have changed, and say once what has grown old.

        Raises StillHanging if the disk does not answer: the data in use serve on.
        """
        if await self._thread.run(self._places.follow, within_seconds=_LOOK_SECONDS):
            self._country.forget()
            _log.info("places_changed", origins=[origin.source for origin in self._places.origins()])
        now_ms, old = self._clock.wall_ms(), set[Data]()
        for data, source, made_at_ms in self._places.origins():
            if made_at_ms is None:
                continue
            age_ms = max(0, now_ms - made_at_ms)
            metrics.PLACE_DATA_AGE.labels(data).set(age_ms / 1_000)
            if age_ms >= self._old_ms:
                old.add(data)
                if data not in self._old:
                    days = age_ms // 86_400_000
                    _log.warning("place_data_old", data=data, source=source, days=days, remedy=_REMEDY)
        self._old = frozenset(old)
