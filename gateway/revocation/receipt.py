"""What a revoker may promise: who has applied a revocation, who is missing, and from when it is certain. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from .fence import DRIFT


@dataclass(frozen=True, slots=True)
class Missing:
    """A worker that has not confirmed, and when (store time, ms) it can no longer accept what was revoked."""

    worker: str
    certain_at_ms: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """Complete: nobody accepts it any more. Partial: nobody will from `certain_at_ms` on.

    `durable` says whether the entry was on the store's disk before this was written.
    """

    id: str
    status: Literal["complete", "partial"]
    applied: int
    workers: int
    elapsed_ms: float
    durable: bool
    missing: tuple[Missing, ...] = ()
    certain_at_ms: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The JSON shape of the API."""
        return {
            "id": self.id,
            "status": self.status,
            "applied": self.applied,
            "workers": self.workers,
            "elapsed_ms": round(self.elapsed_ms, 1),
            "durable": self.durable,
            "missing": [{"worker": m.worker, "certain_at_ms": m.certain_at_ms} for m in self.missing],
            "certain_at_ms": self.certain_at_ms,
        }


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """How a worker behaves when it hears nothing, as it wrote it into the registry. Spans in milliseconds."""

    fence_ms: int
    rule: Literal["closed", "last-known-good"]
    last_known_good_ms: int
    verify_cache_ms: int
    keys: tuple[str, ...] = field(default=())

    def to_json(self) -> str:
        """The registry's value."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "WorkerRow":
        """Parse a registry value; raises ValueError or KeyError if it is not one."""
        raw = json.loads(text)
        return cls(raw["fence_ms"], raw["rule"], raw["last_known_good_ms"], raw["verify_cache_ms"], tuple(raw["keys"]))

    def certain_at_ms(self, at_ms: int, pulse_ms: int, settled_ms: int = 0) -> int:
        """When (store time) this worker, silent ever since, no longer accepts what was revoked at `at_ms`.

        Its last heartbeat that can lack the entry was sent before min(at, pulse), or, unheard of here, to a former
        server before `settled_ms`: a fence runs out one fence later, an outage is bridged for `last_known_good_ms`
        after it; a tenth more for clocks of unequal rates.
        """
        silent_since = max(min(at_ms, pulse_ms), settled_ms)
        span = self.fence_ms
        if self.rule == "last-known-good":
            span = max(span, self.last_known_good_ms)
        return silent_since + round(span * DRIFT) + self.verify_cache_ms


@dataclass(frozen=True, slots=True)
class Registered:
    """One worker of the registry as a revoker read it."""

    worker: str
    row: WorkerRow
    pulse_ms: int


def write(
    revocation_id: str,
    *,
    at_ms: int,
    now_ms: int,
    elapsed_ms: float,
    durable: bool,
    workers: Iterable[Registered],
    applied: frozenset[str],
    settled_ms: int = 0,
    not_before_ms: int = 0,
) -> Receipt:
    """Judge a revocation at store time `now_ms`, given who was registered after it was appended and who applied it.

    `settled_ms` is since when no former server can have renewed a fence, 0 if there never was one; `not_before_ms` the
    time before which no receipt may be complete (a fail-over's bound).
    """
    everybody = tuple(workers)
    missing = tuple(
        Missing(one.worker, certain)
        for one in everybody
        if one.worker not in applied and (certain := one.row.certain_at_ms(at_ms, one.pulse_ms, settled_ms)) > now_ms
    )
    cached = max((at_ms + one.row.verify_cache_ms for one in everybody if one.row.verify_cache_ms), default=0)
    certain_at = max((m.certain_at_ms for m in missing), default=0)
    certain_at = max(certain_at, not_before_ms, cached)
    complete = not missing and certain_at <= now_ms
    # A worker whose patience is over counts neither as applied nor as there: it cannot answer for anybody any more.
    counted = sum(1 for one in everybody if one.worker in applied) + len(missing)
    return Receipt(
        revocation_id,
        "complete" if complete else "partial",
        applied=counted - len(missing),
        workers=counted,
        elapsed_ms=elapsed_ms,
        durable=durable,
        missing=missing,
        certain_at_ms=None if complete else certain_at,
    )
