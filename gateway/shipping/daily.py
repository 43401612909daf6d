"""Pseudonyms that last a day: a hash of address and user agent under a salt that is thrown away.

    data/daily-salts.json    {"2026-11-24": "…64 hexadecimal digits…"}; the shippers of a node share it

A day's salt is gone an hour after `GRACE_MS` at the latest, while a shipper runs, and then nobody can tell who was who.
What is shipped later than that has no pseudonym.
"""

import contextlib
import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from .. import logs
from ..clock import Clock
from ..ids import to_text
from .durable import make_durably
from .locks import alone
from .tally import hour_of

FILE: Final = "daily-salts.json"
_LOCK: Final = "daily-salts.lock"

#: How long after its end a day's salt is kept, for hits that waited.
GRACE_MS: Final = 6 * 3_600_000
_SALT_BYTES: Final = 32
_WRITTEN: Final = re.compile(rf"[0-9a-f]{{{2 * _SALT_BYTES}}}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: Pseudonyms that are remembered; then all are made anew, 1 µs each.
_MAX_KNOWN: Final = 65_536

_log: Final = logs.get("shipping")


class Daily:
    """The pseudonyms of a node's days (UTC, by receipt)."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._path = data_dir / FILE
        self._lock = data_dir / _LOCK
        self._clock = clock
        self._salts: dict[str, bytes] = {}
        self._known: dict[tuple[str, bytes], str] = {}

    def of(self, received_at_ms: int, trace: bytes) -> str | None:
        """The pseudonym of who left `trace` on that day; None if there is no trace, or the day's salt is gone."""
        day = hour_of(received_at_ms)[:10]
        known = self._known.get((day, trace))
        if known is not None:
            return known
        salt = self._salts.get(day) or self._salt(day)
        if salt is None or not trace:
            return None
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        made = to_text(hashlib.blake2b(trace, key=salt, digest_size=16, person=b"daily").digest())
        self._known[day, trace] = made
        return made

    def forget(self, now_ms: int) -> None:
        """Throw away the salts of days that are over, and what was made with them."""
        self._known.clear()
        self._salts.clear()
        if self._path.exists():
            with self._file() as salts:
                for day in [day for day in salts if not _is_kept(day, now_ms)]:
                    del salts[day]

    def _salt(self, day: str) -> bytes | None:
        if not _is_kept(day, self._clock.wall_ms()):
            return None
        with self._file() as salts:
            salt = salts.setdefault(day, secrets.token_hex(_SALT_BYTES))
        self._salts[day] = bytes.fromhex(salt)
        return self._salts[day]

    @contextlib.contextmanager
    def _file(self) -> Iterator[dict[str, str]]:
        """What stands in the file, for change; no other shipper sees it meanwhile."""
        with alone(self._lock):
            before = self._read()
            salts = dict(before)
            yield salts
            if salts != before:
                make_durably(self._path, partial(_write, json.dumps(salts)))

    def _read(self) -> dict[str, str]:
        """The salts. A file that holds none is set aside: the visitors of its days are told apart anew."""
        try:
            salts = msgspec.json.decode(self._path.read_bytes(), type=dict[str, str])
            if all(_WRITTEN.fullmatch(salt) and _DAY.fullmatch(day) for day, salt in salts.items()):
                return salts
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError):
            pass
        aside = self._path.with_name(f"{FILE}.unreadable")
        self._path.replace(aside)
        _log.error("daily_salts_unreadable", file=str(aside), remedy="delete it; a visitor may count twice today")
        return {}


def _write(text: str, path: Path) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def _is_kept(day: str, now_ms: int) -> bool:
    """Whether a day's salt may exist: from the day before on, since clocks differ, and until the grace is over."""
    begins = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    now = datetime.fromtimestamp(now_ms / 1_000, UTC)
    return begins - timedelta(days=1) <= now < begins + timedelta(days=1, milliseconds=GRACE_MS)
